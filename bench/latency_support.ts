/**
 * Shared by the benches of latency: records with the time in them, through a program and back.
 */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { createTopic } from "../tests/support/kafka/kafka.ts";

const EVERY_MS = 10; // ten records each time
const TOGETHER = 10;

/** A program under way, from one topic to another. */
export interface Copying {
  /** Ends it, or waits for its end. */
  stop(): Promise<unknown>;
}

/**
 * Writes 1,000 records a second, with the time in them. Returns how long each took to come out at
 * the other end, for a reader of committed records, in order of size. What comes in the seconds of
 * `warmUp` does not count.
 */
export async function measureLatency(
  brokers: string[],
  { seconds, warmUp }: { readonly seconds: number; readonly warmUp: number },
  start: (from: string, to: string, count: number) => Copying,
): Promise<number[]> {
  const [from, to] = [await createTopic(brokers), await createTopic(brokers)];
  const count = (seconds + warmUp) * 1_000;
  const copying = start(from, to, count);
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `latency-${from}`, maxWaitTimeInMs: 100 });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([consumer.connect(), producer.connect()]);
  await consumer.subscribe({ topic: to, fromBeginning: true });
  const took: number[] = [];
  const all = Promise.withResolvers<void>();
  await consumer.run({
    // deno-lint-ignore require-await -- KafkaJS wants a promise
    eachMessage: async ({ message }) => {
      took.push(performance.now() - Number(message.value!.toString()));
      if (took.length >= count) all.resolve();
    },
  });
  for (let sent = 0; sent < count; sent += TOGETHER) {
    const next = new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const messages = Array.from({ length: TOGETHER }, () => ({ value: String(performance.now()) }));
    await Promise.all([producer.send({ topic: from, messages }), next]);
  }
  await all.promise;
  await Promise.all([consumer.disconnect(), producer.disconnect(), copying.stop()]);
  return took.slice(warmUp * 1_000).sort((a, b) => a - b);
}

/** What a share of the sorted times stayed below, in milliseconds. */
export function percentile(sorted: readonly number[], share: number): string {
  return sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
}
