/** How long a record takes from Kafka through a flow to Kafka, at 1,000 records a second. */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, run } from "millrace";
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { consumeBare, withBareProducer } from "./kafka_support.ts";

const SECONDS = 20;
const WARM_UP = 5;
const EVERY_MS = 10; // ten records each time
const TOGETHER = 10;

const brokers = await kafkaBrokers();

/**
 * Writes records with the time in them; returns how long each took to come out at the other end.
 */
async function measure(
  start: (from: string, to: string, count: number) => { done: Promise<unknown> },
): Promise<number[]> {
  const [from, to] = [await createTopic(brokers), await createTopic(brokers)];
  const count = (SECONDS + WARM_UP) * 1000;
  const { done } = start(from, to, count);
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
  await Promise.all([consumer.disconnect(), producer.disconnect(), done]);
  return took.slice(WARM_UP * 1000).sort((a, b) => a - b);
}

const results = {
  "bare KafkaJS": await measure((topic, to, count) => ({
    done: withBareProducer(
      brokers,
      (producer) =>
        consumeBare(brokers, { topic, count }, async ({ batch }) => {
          const messages = batch.messages.map(({ key, value }) => ({ key, value }));
          await producer.send({ topic: to, acks: -1, messages });
          return messages.length;
        }),
    ),
  })),
  millrace: await measure((topic, to, count) => {
    const stop = new AbortController();
    let seen = 0;
    const flow = new Dataflow("latency")
      .input("in", new KafkaInputConfig({ brokers, topic }))
      .inspect(() => {
        if (++seen === count) stop.abort();
      })
      .capture(
        new KafkaOutputConfig({ brokers, topic: to, additionalProperties: { "linger.ms": 0 } }),
      );
    return { done: run(flow, { signal: stop.signal }) };
  }),
};

console.log(`\nlatency, Kafka to Kafka and read back, 1,000 records/s for ${SECONDS} s, in ms`);
const shares = [0.5, 0.9, 0.99, 0.999, 1];
const cells = (values: readonly unknown[]) => values.map((v) => String(v).padStart(9)).join("");
console.log(`  ${"".padEnd(16)}${cells(["median", "p90", "p99", "p99.9", "most"])}`);
for (const [name, took] of Object.entries(results)) {
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))];
  console.log(`  ${name.padEnd(16)}${cells(shares.map((share) => at(share).toFixed(1)))}`);
}
