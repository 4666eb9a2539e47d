/**
 * JSON orders from Kafka, a running total for each user back to Kafka, compared with bare KafkaJS.
 */
import { Buffer } from "node:buffer";
import { Dataflow, json, KafkaInputConfig, KafkaOutputConfig, run } from "millrace";
import { createTopic, kafkaBrokers, readAll } from "../tests/support/kafka/kafka.ts";
import {
  compareKafka,
  consumeBare,
  fullTopic,
  sendBare,
  withBareProducer,
} from "./kafka_support.ts";

const COUNT = 500_000;
const USERS = 1_000;

interface Order {
  readonly user: string;
  readonly amount: number;
  readonly item: string;
}

const brokers = await kafkaBrokers();
const order = (i: number): Order => ({
  user: `user-${i % USERS}`,
  amount: i % 100,
  item: `sku-${i}`,
});
const topic = await fullTopic(brokers, {
  count: COUNT,
  partitions: 4,
  record: (i) => ({ value: JSON.stringify(order(i)) }),
});
let sums = "";

/** Returns the last total of each user. It must be the same for both contestants. */
async function check(to: string): Promise<void> {
  const totals = new Map<string, number>();
  const records = await readAll(brokers, to);
  if (records.length !== COUNT) throw new Error(`${records.length} records came out`);
  for (const { key, value } of records) {
    totals.set(key!, Math.max(totals.get(key!) ?? 0, JSON.parse(value!).total));
  }
  const now = String([...totals].sort());
  if (sums === "") sums = now;
  else if (now !== sums) throw new Error("the totals differ");
}

const checked = new Set<string>();
async function inTopic(name: string, use: (to: string) => Promise<void>): Promise<void> {
  const to = await createTopic(brokers, { partitions: 4 });
  await use(to);
  if (checked.has(name)) return;
  checked.add(name);
  await check(to);
}

await compareKafka("JSON orders, running totals, to Kafka", { count: COUNT, rounds: 3 }, {
  "bare KafkaJS": () =>
    inTopic("bare", async (to) => {
      const totals = new Map<string, number>();
      await withBareProducer(brokers, (producer) =>
        consumeBare(brokers, { topic, count: COUNT }, async ({ batch }) => {
          const messages = batch.messages.map(({ value }) => {
            const { user, amount }: Order = JSON.parse(value!.toString());
            const total = (totals.get(user) ?? 0) + amount;
            totals.set(user, total);
            return { key: Buffer.from(user), value: Buffer.from(JSON.stringify({ total })) };
          });
          await sendBare(producer, to, messages);
          return batch.messages.length;
        }));
    }),
  millrace: () =>
    inTopic("millrace", async (to) => {
      await run(
        new Dataflow("orders")
          .input("in", new KafkaInputConfig({ brokers, topic, tail: false }))
          .map(([, value]) => json.decode<Order>(value))
          .keyOn((order) => order.user)
          .statefulMap("total", () => 0, (total, { amount }) => [total + amount, total + amount])
          .mapValue((total) => json.encode({ total }))
          .capture(new KafkaOutputConfig({ brokers, topic: to })),
      );
    }),
});
