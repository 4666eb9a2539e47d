/** Apache Kafka in older versions, from Maven, with ZooKeeper or without (KRaft). */
import { withAdmin } from "./check.ts";
import {
  cacheFolder,
  exists,
  freePort,
  Processes,
  type RunningBroker,
  runTool,
} from "./processes.ts";

/** A version of Kafka. */
export interface KafkaVersion {
  readonly version: string;
  /** The version of Scala in its name. */
  readonly scala: string;
  readonly mode: "zookeeper" | "kraft";
  /** The version of ZooKeeper's library, if its own does not work with today's Java. */
  readonly zooKeeper?: string;
}

/** Small and quick to start rather than fast. */
const JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"].concat(
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dzookeeper.jmx.log4j.disable=true", // it looks for a logger that is not there
);

const CLUSTER_ID = "bWlsbHJhY2UtdGVzdHMtMQ";

/** Starts a fresh broker. */
export async function startKafka(kafka: KafkaVersion): Promise<RunningBroker> {
  const jars = await jarsOf(kafka);
  const processes = await Processes.create();
  try {
    const { folder } = processes;
    const [port, other] = [freePort(), freePort()];
    const java = [...JVM, `-Djava.io.tmpdir=${folder}`, "-cp", `${jars}/*`];
    const properties = `${folder}/server.properties`;
    await Deno.writeTextFile(properties, propertiesOf(kafka, folder, port, other).join("\n"));
    if (kafka.mode === "zookeeper") {
      const file = `${folder}/zookeeper.properties`;
      await Deno.writeTextFile(file, zooKeeperOf(folder, other).join("\n"));
      const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
      processes.start("zookeeper", "java", [...java, main, file]);
      await processes.listening("zookeeper", other);
    } else {
      const format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties];
      await runTool("java", [...java, ...format]);
    }
    processes.start("kafka", "java", [...java, "kafka.Kafka", properties]);
    await processes.listening("kafka", port);
    const brokers = [`127.0.0.1:${port}`];
    await processes.until("kafka", () => knowsItself(brokers));
    return {
      brokers,
      [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
    };
  } catch (error) {
    await processes[Symbol.asyncDispose]();
    throw error;
  }
}

/** A broker accepts requests a moment before the cluster counts it. */
async function knowsItself(brokers: string[]): Promise<boolean> {
  const cluster = await withAdmin(brokers, (admin) => admin.describeCluster());
  return cluster.brokers.some(({ nodeId }) => nodeId === cluster.controller);
}

/**
 * Internal topics keep their default number of partitions, as creating them is part of the test.
 */
function propertiesOf(
  { mode }: KafkaVersion,
  folder: string,
  port: number,
  other: number,
): string[] {
  const listener = `PLAINTEXT://127.0.0.1:${port}`;
  return [
    `log.dirs=${folder}/data`,
    "auto.create.topics.enable=false",
    "delete.topic.enable=true",
    "group.initial.rebalance.delay.ms=0",
    "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "log.retention.ms=-1",
    ...mode === "zookeeper"
      ? [
        "broker.id=1",
        `listeners=${listener}`,
        `advertised.listeners=${listener}`,
        `zookeeper.connect=127.0.0.1:${other}`,
      ]
      : [
        "process.roles=broker,controller",
        "node.id=1",
        `controller.quorum.voters=1@127.0.0.1:${other}`,
        "controller.listener.names=CONTROLLER",
        `listeners=${listener},CONTROLLER://127.0.0.1:${other}`,
        `advertised.listeners=${listener}`,
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
      ],
  ];
}

function zooKeeperOf(folder: string, port: number): string[] {
  return [
    `dataDir=${folder}/zookeeper`,
    `clientPort=${port}`,
    "clientPortAddress=127.0.0.1",
    "maxClientCnxns=0",
    "admin.enableServer=false",
  ];
}

/** Fetches a version, once. */
async function jarsOf(kafka: KafkaVersion): Promise<string> {
  const { version } = kafka;
  const jars = `${cacheFolder()}/broker-${version}`;
  if (await exists(jars)) return jars;
  await Deno.mkdir(cacheFolder(), { recursive: true });
  const folder = await Deno.makeTempDir({ dir: cacheFolder(), prefix: `broker-${version}.` });
  try {
    await Deno.writeTextFile(`${folder}/pom.xml`, pomOf(kafka));
    await runTool("mvn", [
      ...["-q", "-B", "-f", `${folder}/pom.xml`, "dependency:copy-dependencies"],
      ...["-DincludeScope=runtime", `-DoutputDirectory=${folder}/jars`],
    ]);
    await Deno.rename(`${folder}/jars`, jars);
    return jars;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What is on the class path besides Kafka, as group, name and version. */
const EXTRAS = [
  ["javax.xml.bind", "jaxb-api", "2.3.1"], // for Kafka 0.11: Java had it until version 10
];

/** Later versions bring only the logging interface, and die silently without an implementation. */
const LOGGING = ["org.slf4j", "slf4j-simple", "1.7.36"];

function pomOf({ version, scala, zooKeeper }: KafkaVersion): string {
  const kafka = ["org.apache.kafka", `kafka_${scala}`, version];
  const all = [
    kafka,
    ...EXTRAS,
    ...version.startsWith("0.") ? [] : [LOGGING],
    ...zooKeeper === undefined ? [] : [["org.apache.zookeeper", "zookeeper", zooKeeper]],
  ];
  const dependencies = all.map(([group, name, version]) =>
    `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>` +
    `<version>${version}</version></dependency>`
  );
  return `<project><modelVersion>4.0.0</modelVersion><groupId>millrace</groupId>` +
    `<artifactId>broker</artifactId><version>1</version>` +
    `<dependencies>${dependencies.join("")}</dependencies></project>`;
}
