/** What checks of a broker have in common. */
import { assertEquals } from "@std/assert";
import {
  Dataflow,
  type KafkaMessage,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type KafkaRecord,
  run,
  TestingInputConfig,
} from "millrace";
import type { Admin } from "kafkajs";
import { collect, follow } from "../support/kafka/reading.ts";
import { kafkaClient } from "../support/kafka/client.ts";

/**
 * What not every broker has. _Ends_: it returns where a partition ends; _times_: where one begins.
 */
export type Capability = "zstd" | "transactions" | "new partitions" | "times" | "ends";

/** What a broker lacks, with the reason. */
export type Lacks = Readonly<Partial<Record<Capability, string>>>;

/** One thing that has to work. */
export interface Check {
  readonly name: string;
  /** Skipped on a broker that lacks one of these. */
  readonly needs?: readonly Capability[];
  /** Only for a broker that lacks this; it checks how we report that. */
  readonly without?: Capability;
  readonly run: (brokers: string[], lacks: Lacks) => Promise<void>;
}

/** Properties of an input or an output. */
export type Properties = Record<string, string | number | boolean>;

export const PARTITIONS = 3;

/**
 * Creates a topic, and returns its name. Kafka before 2.4 has to be told that it has one replica.
 */
export async function newTopic(
  brokers: string[],
  config: Record<string, string> = {},
  { topic = `test-${crypto.randomUUID()}`, partitions = PARTITIONS } = {},
): Promise<string> {
  await withAdmin(brokers, async (admin) => {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    try {
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
      });
    } catch (error) {
      if (!CREATES_NONE.has((error as Error).name)) throw error;
      await haveCreated(brokers, topic);
    }
  });
  return topic;
}

/** A broker does not have the request, or names a controller that it does not know. */
const CREATES_NONE = new Set(["KafkaJSServerDoesNotSupportApiKey", "KafkaJSBrokerNotFound"]);

/** Makes a broker create a topic by itself, with its own settings: at least as many partitions. */
async function haveCreated(brokers: string[], topic: string): Promise<void> {
  const producer = kafkaClient(brokers).producer({ allowAutoTopicCreation: true });
  await producer.connect();
  try {
    await producer.send({ topic, messages: [] }); // it asks for the topic first
  } finally {
    await producer.disconnect();
  }
}

export async function withAdmin<R>(
  brokers: string[],
  use: (admin: Admin) => Promise<R>,
): Promise<R> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** A record with all optional fields. */
export interface TestRecord extends KafkaRecord {
  readonly headers: Record<string, string | string[]>;
  readonly timestamp: number;
  readonly partition: number;
}

/** Records for all partitions, with all that a record can have. */
export function records(count: number, name = "value"): TestRecord[] {
  return Array.from({ length: count }, (_, n): TestRecord => ({
    key: n % 5 === 0 ? null : `key ${n}`,
    value: n % 7 === 0 ? null : `${name} ${n} ${"grüße ".repeat(n % 20)}`,
    headers: n % 3 === 0 ? { one: "1", two: ["2", "zwei"] } : {},
    timestamp: 1_700_000_000_000 + n * 1_000,
    partition: n % PARTITIONS,
  }));
}

/** Writes records with an output of ours. */
export async function write(
  brokers: string[],
  topic: string,
  items: readonly KafkaRecord[],
  additionalProperties: Properties = {},
): Promise<void> {
  const output = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const flow = new Dataflow("write").input("in", new TestingInputConfig(items)).capture(output);
  await run(flow);
}

/** Reads all records with an input of ours. */
export async function read(
  brokers: string[],
  topic: string,
  options: Partial<ConstructorParameters<typeof KafkaMessageInputConfig>[0]> = {},
): Promise<KafkaMessage[]> {
  return await collect(new KafkaMessageInputConfig({ brokers, topic, tail: false, ...options }));
}

/** Reads `count` records, even if a broker does not return where they end. */
export async function readBack(
  brokers: string[],
  topic: string,
  count: number,
  lacks: Lacks,
): Promise<readonly KafkaMessage[]> {
  if (lacks.ends === undefined) return await read(brokers, topic);
  await using following = follow(new KafkaMessageInputConfig({ brokers, topic }));
  await following.until(count);
  return following.items;
}

const decoder = new TextDecoder();
const asText = (bytes: Uint8Array | null) => bytes === null ? null : decoder.decode(bytes);

/** Whether what was read is what was written, in order within each partition. */
export function assertSame(
  messages: readonly KafkaMessage[],
  written: readonly TestRecord[],
): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const read = messages.filter((message) => message.partition === partition);
    assertEquals(
      read.map(({ key, value, headers, timestamp }) => ({
        key: asText(key),
        value: asText(value),
        headers: Object.entries(headers).map(([name, values]) => [name, values.map(asText)]),
        timestamp,
      })),
      written.filter((record) => record.partition === partition)
        .map(({ key, value, headers, timestamp }) => ({
          key,
          value,
          headers: Object.entries(headers).map(([name, values]) => [name, [values].flat()]),
          timestamp,
        })),
    );
  }
  assertEquals(messages.length, written.length);
}
