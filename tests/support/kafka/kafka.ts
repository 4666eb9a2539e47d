/**
 * What tests need of a real Kafka: brokers, topics of their own, and writing and reading records.
 *
 * Each call makes a client and closes it again. Deno's sanitizers would report a client that stays
 * open as a leak.
 */
import { Buffer } from "node:buffer";
import { type Admin, type ITopicConfig, type Message, Partitioners } from "kafkajs";
import { kafkaBrokers } from "./broker/broker.ts";
import { kafkaClient } from "./client.ts";
import { isNotYetLed } from "./transient_errors.ts";

export { kafkaBrokers };
export { countWritten, EmptiedBatchError, readAll, type TopicRecord } from "./read_all.ts";

/** Settings of a new topic; what is not given is the broker's default. */
export interface TopicOptions {
  /** @default {1} */
  partitions?: number;
  /** @default a random one, unlike any other */
  name?: string;
  /** Topic settings by Kafka's names, such as `"cleanup.policy"`. */
  config?: Record<string, string>;
}

/** A record to write. */
export interface NewRecord {
  key?: string | Uint8Array | null;
  /** `null` and an absent value both write a tombstone. */
  value?: string | Uint8Array | null;
  /**
   * By default by the hash of the key, as in the Java client; without a key, one after the other.
   */
  partition?: number;
  /** Milliseconds since 1970; by default, now. */
  timestamp?: number;
  headers?: Record<string, string | string[]>;
}

/** Creates a topic, waits until it can be written to, and returns its name. */
export async function createTopic(brokers: string[], options: TopicOptions = {}): Promise<string> {
  const topic = options.name ?? `test-${crypto.randomUUID()}`;
  const wanted: ITopicConfig = {
    topic,
    numPartitions: options.partitions ?? 1,
    configEntries: Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value })),
  };
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    // KafkaJS's own wait for leaders sleeps 100 ms before its first look, for every topic.
    const created = await admin.createTopics({ topics: [wanted], waitForLeaders: false });
    if (!created) throw new Error(`topic "${topic}" already exists`);
    await untilLed(admin, topic);
  } finally {
    await admin.disconnect();
  }
  return topic;
}

/** Deletes a topic, and creates it again under its name, which becomes free a moment later. */
export async function replaceTopic(
  topic: string,
  options: Omit<TopicOptions, "name"> = {},
): Promise<void> {
  const brokers = await kafkaBrokers();
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic] });
    for (const deadline = Date.now() + 10_000; (await admin.listTopics()).includes(topic);) {
      if (Date.now() > deadline) throw new Error(`topic "${topic}" was not deleted`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    await admin.disconnect();
  }
  await createTopic(brokers, { ...options, name: topic });
}

/** Writes the records, in the order given within each partition. */
export async function produce(
  brokers: string[],
  topic: string,
  records: readonly NewRecord[],
): Promise<void> {
  const producer = kafkaClient(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  try {
    for (const messages of inSends(records)) await producer.send({ topic, messages });
  } finally {
    await producer.disconnect();
  }
}

/**
 * When the controller answers, it has created the topic. The broker needs a moment to know it, and
 * another to lead its partitions. Only a request for their offsets shows that both are over.
 */
async function untilLed(admin: Admin, topic: string): Promise<void> {
  for (const deadline = Date.now() + 10_000;;) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch (error) {
      if (Date.now() > deadline || !isNotYetLed(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/**
 * A send becomes one batch for each partition, and the broker refuses batches over 1 MB. Also,
 * KafkaJS's time for a send grows with the square of its messages.
 */
const SEND_BYTES = 900_000;
const SEND_MESSAGES = 1_000;

function* inSends(records: readonly NewRecord[]): Generator<Message[]> {
  let messages: Message[] = [];
  let bytes = 0;
  for (const record of records) {
    const key = toBuffer(record.key);
    const value = toBuffer(record.value);
    const size = (key?.length ?? 0) + (value?.length ?? 0);
    const full = messages.length === SEND_MESSAGES || bytes + size > SEND_BYTES;
    if (full && messages.length > 0) {
      yield messages;
      messages = [];
      bytes = 0;
    }
    const { partition, headers } = record;
    messages.push({ key, value, partition, headers, timestamp: record.timestamp?.toString() });
    bytes += size;
  }
  if (messages.length > 0) yield messages;
}

function toBuffer(data: string | Uint8Array | null | undefined): Buffer | null {
  if (data === null || data === undefined) return null;
  return typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
}
