/**
 * Kafka's own command line tools, so that tests do not have to trust us or KafkaJS about the
 * broker's content. Each call starts a JVM, and takes a second or two.
 */
import { kafkaBrokers } from "./broker/broker.ts";
import { jarFolder } from "./broker/jars.ts";

/**
 * How long a tool may take before it is killed, so that it fails a test instead of blocking the
 * run.
 */
const PATIENCE_MS = 60_000;

/** What a tool printed. */
export interface ToolOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a main class of Kafka, such as `org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`.
 *
 * @throws {Error} If its exit code is not 0. The message has its output. Some tools only print
 * errors.
 */
export async function javaTool(
  mainClass: string,
  args: readonly string[],
  stdin = "",
): Promise<ToolOutput> {
  const jars = await fetchedJars();
  // The libraries of the codecs unpack native code among temporary files, and leave it there.
  const folder = await Deno.makeTempDir({ prefix: "millrace-tool-" });
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const child = new Deno.Command("java", {
      args: [
        // Quick to start and small, like the broker.
        ...["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"],
        `-Djava.io.tmpdir=${folder}`,
        `-Dlog4j2.configurationFile=${import.meta.dirname}/broker/log4j2.properties`,
        ...["-cp", `${jars}/*`, mainClass, ...args],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: patience.signal,
    }).spawn();
    const [{ code, stdout, stderr }] = await Promise.all([
      child.output(),
      // A tool that ends early does not read everything, but its exit code shows that.
      new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {}),
    ]);
    const printed = {
      stdout: new TextDecoder().decode(stdout),
      stderr: new TextDecoder().decode(stderr),
    };
    if (code === 0) return printed;
    const what = patience.signal.aborted ? `took more than ${PATIENCE_MS} ms` : `failed (${code})`;
    throw new Error(`${mainClass} ${what}:\n${printed.stdout}${printed.stderr}`);
  } finally {
    clearTimeout(timer);
    await Deno.remove(folder, { recursive: true });
  }
}

/** The folder of Kafka. The tools are in the same folder as the broker. */
async function fetchedJars(): Promise<string> {
  await kafkaBrokers(); // which fetches it, the first time
  const folder = jarFolder();
  try {
    await Deno.stat(folder);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(
      `tests with Kafka's own tools need ${folder}, which the tests make when they start a broker ` +
        `themselves: run them once without KAFKA_BROKERS`,
      { cause },
    );
  }
  return folder;
}

/**
 * Writes each line as a record without a key, as Kafka's console producer does.
 *
 * @param properties The producer's, such as `{ "compression.type": "lz4" }`.
 * @throws {Error} If a record was not written.
 */
export async function consoleProduce(
  brokers: readonly string[],
  topic: string,
  lines: readonly string[],
  properties: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  // For this property, the tool has a default that would win.
  const { "compression.type": codec = "none", ...others } = properties;
  const { stderr } = await javaTool("org.apache.kafka.tools.ConsoleProducer", [
    ...[
      "--bootstrap-server",
      brokers.join(","),
      "--topic",
      topic,
      "--compression-codec",
      `${codec}`,
    ],
    ...Object.entries(others).flatMap(([k, v]) => ["--command-property", `${k}=${v}`]),
  ], lines.map((line) => `${line}\n`).join(""));
  // It continues with the next record, and its exit code is 0 anyway.
  if (stderr.includes("Error when sending message")) throw new Error(stderr);
}

/**
 * The topic's first records as Kafka's console consumer prints them, one on each line. By default,
 * it prints the value. It leaves an empty consumer group on the broker.
 *
 * @param count The expected number. Fewer are returned if no more come within ten seconds.
 * @param extraArgs Such as `["--formatter-property", "print.key=true"]`.
 */
export async function consoleConsume(
  brokers: readonly string[],
  topic: string,
  count: number,
  extraArgs: readonly string[] = [],
): Promise<string[]> {
  const { stdout } = await javaTool("org.apache.kafka.tools.consumer.ConsoleConsumer", [
    ...["--bootstrap-server", brokers.join(","), "--topic", topic, "--from-beginning"],
    ...["--max-messages", `${count}`, "--timeout-ms", "10000"],
    ...extraArgs,
  ]);
  return stdout.split("\n").slice(0, -1);
}
