/**
 * How long a record takes from Kafka through another program to Kafka, at 1,000 records a second,
 * for a reader of committed records: `latency.ts COMMAND...`. The command is started with the
 * variables of `w6.ts`, and killed at the end.
 */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { createTopic } from "../../tests/support/kafka/kafka.ts";

const SECONDS = 20;
const WARM_UP = 10;
const EVERY_MS = 10; // ten records each time
const TOGETHER = 10;

const brokers = [Deno.env.get("PEERS_BROKER")!];
const [from, to] = [await createTopic(brokers), await createTopic(brokers)];
const count = (SECONDS + WARM_UP) * 1_000;
const command = new Deno.Command(Deno.args[0], {
  args: Deno.args.slice(1),
  env: {
    PEERS_IN: from,
    PEERS_OUT: to,
    PEERS_RUN: crypto.randomUUID().slice(0, 8),
    PEERS_N: "1000000000", // it must not end
    PEERS_TAIL: "1",
  },
  stdout: "null",
}).spawn();

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
await Promise.all([consumer.disconnect(), producer.disconnect()]);
command.kill("SIGKILL");
await command.status;

const sorted = took.slice(WARM_UP * 1_000).sort((a, b) => a - b);
const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
console.log(`median ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, most ${at(1)} ms`);
