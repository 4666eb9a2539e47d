/**
 * Kafka brokers that a test owns, and can kill, stop, pause and start again.
 *
 * A single broker is its own controller, so that both end and start together. Several have a
 * separate controller that is never touched, and moves leaders when one of them ends.
 * `broker/cluster.sh` runs the processes, and ends them with the test process.
 */
import type { Admin } from "kafkajs";
import { pollUntil } from "../eventually.ts";
import { kafkaBrokers } from "./broker/broker.ts";
import { jarFolder } from "./broker/jars.ts";
import { createTopic, type TopicOptions } from "./kafka.ts";
import { kafkaClient } from "./client.ts";
import { exists } from "../files/exists.ts";

/** How to start a cluster. */
export interface ClusterOptions {
  /** How many brokers; they are numbered from 0. */
  readonly brokers: 1 | 2 | 3;
  /** Broker properties, which overrule our own. */
  readonly properties?: Readonly<Record<string, string | number>>;
  /**
   * For each broker, the port of a proxy that is named to clients in place of the broker's own.
   * Such a broker also listens at {@linkcode KafkaCluster.behind}, for the proxy.
   */
  readonly through?: readonly number[];
}

const HOST = "127.0.0.1";

/** How long a broker may take to start, or to end. */
const PATIENCE_MS = 60_000;

/** A process: a broker, or the controller. */
interface Node {
  /** Its name among the files of the folder, and its id in the cluster. */
  readonly id: number;
  readonly port: number;
  /** The port for connections through a proxy. */
  readonly behindPort: number;
}

/** The brokers of one test. They end when it is disposed of, and leave nothing. */
export class KafkaCluster implements AsyncDisposable {
  /** The addresses of the brokers, as host:port. */
  readonly brokers: string[];
  /** The addresses for a proxy in front of them, if there is one. */
  readonly behind: string[];
  /** Their ids in the cluster. */
  readonly ids: readonly number[];
  readonly #folder: string;
  readonly #nodes: readonly Node[]; // brokers, then a controller if it is one of its own

  private constructor(folder: string, nodes: readonly Node[], brokers: number) {
    this.#folder = folder;
    this.#nodes = nodes;
    const listening = nodes.slice(0, brokers);
    this.brokers = listening.map(({ port }) => `${HOST}:${port}`);
    this.behind = listening.map(({ behindPort }) => `${HOST}:${behindPort}`);
    this.ids = listening.map(({ id }) => id);
  }

  /** Starts brokers, and waits until they accept requests. */
  static async start(options: ClusterOptions): Promise<KafkaCluster> {
    const jars = await fetchedJars();
    const folder = await Deno.makeTempDir({ prefix: "millrace-cluster-" });
    const separate = options.brokers > 1; // the controller
    const count = options.brokers + (separate ? 1 : 0);
    const ports = freePorts(2 * count + 1);
    const nodes = Array.from({ length: count }, (_, n): Node => ({
      id: n + 1,
      port: ports[2 * n],
      behindPort: ports[2 * n + 1],
    }));
    const controller = { id: count, port: separate ? nodes[count - 1].port : ports[2 * count] };
    for (const [n, node] of nodes.entries()) {
      const roles = !separate ? "broker,controller" : n < options.brokers ? "broker" : "controller";
      const lines = propertiesOf(node, roles, controller, folder, options, options.through?.[n]);
      await Deno.writeTextFile(`${folder}/${node.id}.properties`, lines.join("\n"));
    }
    const cluster = new KafkaCluster(folder, nodes, options.brokers);
    // A shell that ends at once starts it, so that it outlives us while it cleans up.
    await new Deno.Command("sh", {
      args: [
        ...["-c", 'sh "$@" &', "sh", `${import.meta.dirname}/broker/cluster.sh`, folder],
        ...[Deno.pid, jars, ...nodes.map(({ id }) => id)].map(String),
      ],
      cwd: folder,
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().status;
    try {
      // The controller is first, as no broker gets ready without it.
      await Promise.all(nodes.map((node) => cluster.#start(node)));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Ends a broker with SIGKILL. */
  async kill(broker: number): Promise<void> {
    const node = this.#nodes[broker];
    this.#signal(node, "SIGKILL");
    await this.#ended(node);
  }

  /** Ends a broker with SIGTERM, so that it hands over what it leads. */
  async stop(broker: number): Promise<void> {
    const node = this.#nodes[broker];
    this.#signal(node, "SIGTERM");
    await this.#ended(node);
  }

  /**
   * Starts a broker that has ended, with its data and port, and waits until it accepts requests.
   */
  async start(broker: number): Promise<void> {
    await this.#start(this.#nodes[broker]);
  }

  /**
   * Freezes a broker with SIGSTOP: its connections stay open, but nothing arrives. It continues at
   * the latest when the result is disposed of.
   */
  pause(broker: number): Disposable {
    this.#signal(this.#nodes[broker], "SIGSTOP");
    return { [Symbol.dispose]: () => this.resume(broker) };
  }

  /** Lets a frozen broker continue. */
  resume(broker: number): void {
    this.#signal(this.#nodes[broker], "SIGCONT");
  }

  /** What a broker has logged since it was started. */
  log(broker: number): string {
    return Deno.readTextFileSync(`${this.#folder}/${this.#nodes[broker].id}.log`);
  }

  /**
   * Creates a topic with a copy on each broker, waits until it is writable, and returns its name.
   */
  async createTopic(options: TopicOptions = {}): Promise<string> {
    const topic = await this.#created(options);
    await this.whole([topic]);
    return topic;
  }

  /**
   * A broker that has just started may not know the controller yet, and the controller may not
   * count it. Then there are too few brokers for the copies.
   */
  async #created(options: TopicOptions): Promise<string> {
    for (const deadline = Date.now() + PATIENCE_MS;;) {
      try {
        return await createTopic(this.brokers, options);
      } catch (error) {
        const { name, errors = [] } = error as Error & { errors?: { type: string }[] };
        const early = name === "KafkaJSBrokerNotFound" ||
          errors.some(({ type }) => type === "INVALID_REPLICATION_FACTOR");
        if (!early || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Waits until all replicas of the topics are in sync: only then does no broker matter more. */
  async whole(topics: string[]): Promise<void> {
    await this.admin(async (admin) => {
      for (const deadline = Date.now() + PATIENCE_MS;;) {
        const metadata = await admin.fetchTopicMetadata({ topics });
        const partitions = metadata.topics.flatMap((topic) => topic.partitions);
        if (partitions.every(({ replicas, isr }) => replicas.length === isr.length)) return;
        if (Date.now() > deadline) throw new Error(`replicas of ${topics} did not get in sync`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  }

  /** The leader of each partition, as the number of its broker; -1 where there is none. */
  async leaders(topic: string): Promise<number[]> {
    return await this.admin(async (admin) => {
      const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
      return partitions.toSorted((a, b) => a.partitionId - b.partitionId)
        .map(({ leader }) => this.ids.indexOf(leader));
    });
  }

  /** An admin client, for as long as `use` runs. */
  async admin<R>(use: (admin: Admin) => Promise<R>): Promise<R> {
    const admin = kafkaClient(this.brokers).admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.writeTextFile(`${this.#folder}/end`, "");
    await until(() => !exists(this.#folder), "the brokers had ended");
  }

  #signal(node: Node, signal: Deno.Signal): void {
    Deno.kill(Number(Deno.readTextFileSync(`${this.#folder}/${node.id}.pid`)), signal);
  }

  async #start({ id }: Node): Promise<void> {
    const file = (kind: string) => `${this.#folder}/${id}.${kind}`;
    if (exists(file("pid"))) throw new Error(`node ${id} is running`);
    await Deno.writeTextFile(file("start"), "");
    await until(() => {
      if (exists(`${this.#folder}/failed`)) {
        throw new Error(Deno.readTextFileSync(`${this.#folder}/failed`));
      }
      return exists(file("pid"));
    }, `node ${id} was started`);
    await until(() => {
      const log = Deno.readTextFileSync(file("log"));
      if (!exists(file("pid"))) throw new Error(`node ${id} ended while starting:\n${log}`);
      return log.includes("Kafka Server started");
    }, `node ${id} was ready`);
  }

  async #ended({ id }: Node): Promise<void> {
    await until(() => !exists(`${this.#folder}/${id}.pid`), `node ${id} had ended`);
  }
}

function propertiesOf(
  { id, port, behindPort }: Node,
  roles: string,
  controller: { id: number; port: number },
  folder: string,
  { brokers, properties = {} }: ClusterOptions,
  through: number | undefined,
): string[] {
  const listeners: string[] = [];
  const advertised: string[] = [];
  if (roles.includes("broker")) {
    listeners.push(`PLAINTEXT://${HOST}:${port}`);
    advertised.push(`PLAINTEXT://${HOST}:${port}`);
    if (through !== undefined) {
      listeners.push(`BEHIND://${HOST}:${behindPort}`);
      advertised.push(`BEHIND://${HOST}:${through}`);
    }
  }
  if (roles.includes("controller")) listeners.push(`CONTROLLER://${HOST}:${controller.port}`);
  // As in broker.sh. In addition, a broker that died is missed soon, and comes back soon.
  const all: Record<string, string | number> = {
    "process.roles": roles,
    "node.id": id,
    "controller.quorum.voters": `${controller.id}@${HOST}:${controller.port}`,
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.append.linger.ms": 0,
    "listeners": listeners.join(),
    ...advertised.length === 0 ? {} : {
      "advertised.listeners": advertised.join(),
      "inter.broker.listener.name": "PLAINTEXT",
    },
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT",
    "log.dirs": `${folder}/data-${id}`,
    "auto.create.topics.enable": "false",
    "auto.leader.rebalance.enable": "false", // leaders move when the test says so
    "group.initial.rebalance.delay.ms": 0,
    "group.streams.initial.rebalance.delay.ms": 0,
    "broker.session.timeout.ms": 2_000,
    "broker.heartbeat.interval.ms": 400,
    "replica.lag.time.max.ms": 2_000,
    "default.replication.factor": brokers,
    "offsets.topic.replication.factor": brokers,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": brokers,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "log.retention.ms": -1,
    ...properties,
  };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}

/** The folder of Kafka, which `broker.sh` fetches the first time. */
async function fetchedJars(): Promise<string> {
  const folder = jarFolder();
  if (!exists(folder)) await kafkaBrokers();
  if (exists(folder)) return folder;
  throw new Error(
    `tests with brokers of their own need ${folder}, which is made without KAFKA_BROKERS`,
  );
}

/**
 * Ports below the system's range for outgoing connections, so that they stay free between starts.
 */
function freePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: HOST, port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports];
}

function until(condition: () => boolean, what: string): Promise<void> {
  return pollUntil(condition, what, { withinMs: PATIENCE_MS });
}
