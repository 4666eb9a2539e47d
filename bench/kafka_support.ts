/**
 * Shared by the Kafka benches: topics full of records, and loops on bare KafkaJS to compare with.
 */
import { type EachBatchPayload, Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import { createTopic, produce } from "../tests/support/kafka/kafka.ts";
import { median, rateOf } from "./support.ts";

/** Makes a topic with `count` records, dealt out over its partitions. */
export async function fullTopic(
  brokers: string[],
  { count, partitions, record }: {
    count: number;
    partitions: number;
    record: (i: number) => { key?: string; value: string };
  },
): Promise<string> {
  const topic = await createTopic(brokers, { partitions });
  const CHUNK = 50_000;
  for (let at = 0; at < count; at += CHUNK) {
    const length = Math.min(CHUNK, count - at);
    const records = Array.from(
      { length },
      (_, i) => ({ ...record(at + i), partition: (at + i) % partitions }),
    );
    await produce(brokers, topic, records);
  }
  return topic;
}

/**
 * Reads a topic from its beginning with KafkaJS's own consumer, until `count` records have come.
 */
export async function consumeBare(
  brokers: string[],
  { topic, count }: { topic: string; count: number },
  eachBatch: (payload: EachBatchPayload) => Promise<number> | number,
): Promise<void> {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({
    groupId: `bench-${crypto.randomUUID()}`,
    maxBytesPerPartition: 4 << 20,
    maxBytes: 16 << 20,
    maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const done = Promise.withResolvers<void>();
  let seen = 0;
  await consumer.run({
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 4,
    eachBatch: async (payload) => {
      // first: other partitions' batches are counted meanwhile
      const handled = await eachBatch(payload);
      seen += handled;
      payload.resolveOffset(payload.batch.lastOffset());
      if (seen >= count) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
}

/** A producer of KafkaJS's own, connected while `use` runs. */
export async function withBareProducer(
  brokers: string[],
  use: (producer: Producer) => Promise<void>,
): Promise<void> {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    await use(producer);
  } finally {
    await producer.disconnect();
  }
}

/**
 * Sends in flight at once, and messages in each. This is KafkaJS's best: it groups messages in
 * quadratic time.
 */
const CHUNK = 800;
const IN_FLIGHT = 16;

/** Sends messages in chunks, several at a time, and waits for all. */
export async function sendBare(
  producer: Producer,
  topic: string,
  messages: readonly { key: Uint8Array | null; value: Uint8Array | null; partition?: number }[],
): Promise<void> {
  const flight: Promise<unknown>[] = [];
  for (let i = 0; i < messages.length; i += CHUNK) {
    const chunk = messages.slice(i, i + CHUNK) as Parameters<Producer["send"]>[0]["messages"];
    flight.push(producer.send({ topic, acks: -1, messages: chunk }));
    if (flight.length >= IN_FLIGHT) await flight.shift();
  }
  await Promise.all(flight);
}

/**
 * Times contestants by turns, after one round to warm up. Prints rates, and ratios to the first.
 */
export async function compareKafka(
  title: string,
  { count, bytes, rounds = 5 }: { count: number; bytes?: number; rounds?: number },
  contestants: Readonly<Record<string, () => Promise<void>>>,
): Promise<void> {
  const times = new Map<string, number[]>(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const started = performance.now();
      await run();
      if (round > 0) times.get(name)!.push(performance.now() - started);
    }
  }
  console.log(`\n${title} (${count.toLocaleString("en")} records, median of ${rounds}, in turns)`);
  const first = median([...times.values()][0]);
  for (const [name, all] of times) {
    const took = median(all);
    const rate = `${rateOf(count / took * 1000)} records/s`;
    const volume = bytes === undefined ? "" : `  ${(count * bytes / took / 1000).toFixed(0)} MB/s`;
    const spread = `${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)} ms`;
    console.log(
      `  ${name.padEnd(34)}${rate.padStart(20)}${volume}  ratio ${
        (first / took).toFixed(2)
      }  (${spread})`,
    );
  }
}
