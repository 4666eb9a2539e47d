/**
 * A flow that counts, and a producer that keeps writing, for tests of faults.
 *
 * The expected output follows from the input topic, whatever its producer has lost or repeated when
 * its broker went away. It has each record of each key in order, once, with its number.
 */
import { assertEquals } from "@std/assert";
import { type CompressionTypes, Partitioners } from "kafkajs";
import {
  createLog,
  Dataflow,
  type InputReader,
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type KafkaProperties,
  type LogFields,
  type OutputWriter,
  run,
  text,
} from "millrace";
import { readAll, type TopicRecord } from "../support/kafka/kafka.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import type { KafkaCluster } from "../support/kafka/cluster.ts";

/** Options of the flow and its producer. */
export interface CountingOptions {
  /** The brokers that the flow knows; by default those of the cluster. */
  readonly flowBrokers?: readonly string[];
  /** @default {4} */
  readonly partitions?: number;
  /** How long an epoch lasts, in milliseconds; a second by default. */
  readonly epochMs?: number;
  readonly inputProperties?: KafkaProperties;
  readonly outputProperties?: KafkaProperties;
  /** Settings of the output topic. */
  readonly outputConfig?: Readonly<Record<string, string>>;
  /** How the producer compresses. */
  readonly compression?: CompressionTypes;
  /** How many records the producer writes at once. */
  readonly perSend?: number;
  /** How long it then pauses, in milliseconds. */
  readonly pauseMs?: number;
  /** The least length of a value. */
  readonly valueBytes?: number;
  /** How long the flow may take for the rest after the faults. */
  readonly patienceMs?: number;
}

/** A line of the flow's log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** The flow while it runs. */
export interface Counting {
  readonly inputTopic: string;
  readonly outputTopic: string;
  readonly log: readonly LogLine[];
  /** How many records the flow has read. */
  readonly read: number;
  /** What the input and the output report that they wait for. */
  readonly inputWaitsFor: string | null;
  readonly outputWaitsFor: string | null;
  /** Waits until the flow has read `count` more records. */
  readOn(count: number): Promise<void>;
  /** Waits for a condition. Fails after `ms`, or when the flow has failed. */
  until(condition: () => boolean | Promise<boolean>, what: string, ms?: number): Promise<void>;
}

/** The result, once all of it has been found to be right. */
export interface Counted {
  /** Records in the input topic. */
  readonly records: number;
  readonly log: readonly LogLine[];
}

const KEYS = 40;

/**
 * Runs the flow while `faults` happen, and then until everything written by then has been counted.
 *
 * @throws {Error} If anything was lost, repeated or reordered.
 */
export async function countWhile(
  cluster: KafkaCluster,
  options: CountingOptions,
  faults: (counting: Counting) => Promise<void>,
): Promise<Counted> {
  const { partitions = 4, inputProperties, outputProperties, patienceMs = 30_000 } = options;
  const brokers = options.flowBrokers ?? cluster.brokers;
  const from = await cluster.createTopic({ partitions });
  const to = await cluster.createTopic({ partitions, config: { ...options.outputConfig } });
  const log: LogLine[] = [];
  let read = 0;
  let ended: { error: unknown } | null = null;
  let reader: InputReader<KafkaItem> | null = null;
  let writer: OutputWriter<KafkaOutputItem> | null = null;
  const input = new KafkaInputConfig({
    brokers,
    topic: from,
    additionalProperties: inputProperties,
  });
  const output = new KafkaOutputConfig({
    brokers,
    topic: to,
    additionalProperties: outputProperties,
  });
  const flow = new Dataflow("counting")
    .input<KafkaItem>("in", {
      open: async (at, resume) => reader = await input.open(at, resume),
    })
    .map(([key, value]) => {
      read++;
      return [text.decode(key), text.decode(value)];
    })
    .statefulMap("count", () => 0, (count, value) => [count + 1, `${count + 1} ${value.trim()}`])
    .capture({ open: async (at) => writer = await output.open(at) });
  const stopping = new AbortController();
  const running = run(flow, {
    epoch: { interval: options.epochMs ?? 1_000 },
    signal: stopping.signal,
    log: createLog((level, message, fields) => log.push({ level, message, fields })),
  }).catch((error) => error).then((error) => ended = { error });
  const until: Counting["until"] = async (condition, what, ms = 30_000) => {
    for (const deadline = performance.now() + ms; !await condition();) {
      if (ended !== null) throw new Error(`the flow ended before ${what}`, { cause: ended.error });
      if (performance.now() > deadline) {
        const last = log.slice(-5).map((line) => JSON.stringify(line)).join("\n");
        throw new Error(
          `waited in vain until ${what} (${read} records read); the log ends with\n${last}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const producer = startProducer(cluster.brokers, from, options);
  try {
    const counting: Counting = {
      inputTopic: from,
      outputTopic: to,
      log,
      get read() {
        return read;
      },
      get inputWaitsFor() {
        return reader!.waitingFor!();
      },
      get outputWaitsFor() {
        return writer!.waitingFor!();
      },
      readOn: (count) => {
        const goal = read + count;
        return until(() => read >= goal, `${count} records more had been read`);
      },
      until,
    };
    await counting.readOn(1_000);
    await faults(counting);
    await producer.stop();
    const written = await readAll(cluster.brokers, from);
    await until(
      () => read >= written.length,
      `all ${written.length} records had been read`,
      patienceMs,
    );
    stopping.abort();
    await until(() => ended !== null, "the flow had stopped", patienceMs).catch((error) => {
      if (ended === null) throw error;
    });
    if (ended!.error instanceof Error) throw ended!.error;
    assertCounted(written, await readAll(cluster.brokers, to));
    return { records: written.length, log };
  } finally {
    stopping.abort();
    await producer.stop();
    await running;
  }
}

/** The output for each key must be its records, in order, once. */
function assertCounted(input: readonly TopicRecord[], output: readonly TopicRecord[]): void {
  const byKey = (records: readonly TopicRecord[]) => Map.groupBy(records, ({ key }) => key);
  const written = byKey(output);
  for (const [key, records] of byKey(input)) {
    assertEquals(
      (written.get(key) ?? []).map(({ value }) => value),
      records.map(({ value }, n) => `${n + 1} ${value!.trim()}`),
      `what was counted for ${key}`,
    );
  }
  assertEquals(output.length, input.length);
}

/** Writes numbered records until it is stopped, whatever happens to the brokers. */
function startProducer(
  brokers: string[],
  topic: string,
  { perSend = 200, pauseMs = 5, valueBytes = 0, compression }: CountingOptions,
): { stop(): Promise<void> } {
  let stopped = false;
  let next = 0;
  const write = async () => {
    while (!stopped) {
      const producer = kafkaClient(brokers).producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        allowAutoTopicCreation: false,
        retry: { retries: 2, initialRetryTime: 50, maxRetryTime: 200 },
      });
      try {
        await producer.connect();
        while (!stopped) {
          const messages = Array.from({ length: perSend }, () => ({
            key: `key ${next % KEYS}`,
            value: `${next++}`.padEnd(valueBytes),
          }));
          await producer.send({ topic, messages, compression });
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      } catch {
        // A broker is away. Unacknowledged records may exist or not, so the next producer is a new
        // one.
        await new Promise((resolve) => setTimeout(resolve, 50));
      } finally {
        await producer.disconnect();
      }
    }
  };
  const writing = write();
  return {
    stop: () => {
      stopped = true;
      return writing;
    },
  };
}

/** The lines that a connector waits for its broker, and that it is back. */
export function waits(log: readonly LogLine[], topic: string): string[] {
  return log.filter(({ level, fields }) => level === "warn" && fields.topics === topic)
    .map(({ message }) => message);
}

/** How many errors KafkaJS logged, of connections or of requests without an answer in time. */
export function errorsIn(log: readonly LogLine[]): number {
  return log.filter(({ message }) =>
    /^kafkajs: (Connection|Response|.*(error|timed out))/i.test(message)
  )
    .length;
}
