/** How long a record takes from Kafka through a flow to Kafka, at 1,000 records a second. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, run } from "millrace";
import { kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { consumeBare, withBareProducer } from "./kafka_support.ts";
import { type Copying, measureLatency, percentile } from "./latency_support.ts";

const SECONDS = 20;

const brokers = await kafkaBrokers();
const measure = (start: (from: string, to: string, count: number) => Copying) =>
  measureLatency(brokers, { seconds: SECONDS, warmUp: 5 }, start);

const results = {
  "bare KafkaJS": await measure((topic, to, count) => {
    const done = withBareProducer(
      brokers,
      (producer) =>
        consumeBare(brokers, { topic, count }, async ({ batch }) => {
          const messages = batch.messages.map(({ key, value }) => ({ key, value }));
          await producer.send({ topic: to, acks: -1, messages });
          return messages.length;
        }),
    );
    return { stop: () => done };
  }),
  millrace: await measure((topic, to) => {
    const ending = new AbortController();
    const flow = new Dataflow("latency")
      .input("in", new KafkaInputConfig({ brokers, topic }))
      .capture(
        new KafkaOutputConfig({ brokers, topic: to, additionalProperties: { "linger.ms": 0 } }),
      );
    const done = run(flow, { signal: ending.signal });
    return {
      stop: () => {
        ending.abort();
        return done;
      },
    };
  }),
};

console.log(`\nlatency, Kafka to Kafka and read back, 1,000 records/s for ${SECONDS} s, in ms`);
const shares = [0.5, 0.9, 0.99, 0.999, 1];
const cells = (values: readonly unknown[]) => values.map((v) => String(v).padStart(9)).join("");
console.log(`  ${"".padEnd(16)}${cells(["median", "p90", "p99", "p99.9", "most"])}`);
for (const [name, took] of Object.entries(results)) {
  console.log(`  ${name.padEnd(16)}${cells(shares.map((share) => percentile(took, share)))}`);
}
