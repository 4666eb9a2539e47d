/**
 * What a transaction costs the broker by the number of partitions that it writes to. Each gets one
 * small record and a marker. `deno run -A bench/kafka_group_transactions.ts [PARTITIONS...]`.
 */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { ownBroker } from "./broker_process.ts";
import { cpuSeconds } from "./idle_support.ts";
import { rateOf } from "./support.ts";

const PRODUCERS = 8;
const MEASURE_MS = 5_000;

const sizes = Deno.args.length > 0 ? Deno.args.map(Number) : [1, 16, 64, 256];
const brokers = await kafkaBrokers();
const owner = ownBroker();
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });

for (const partitions of sizes) {
  const topic = await createTopic(brokers, { partitions });
  const producers = Array.from({ length: PRODUCERS }, (_, n) =>
    kafka.producer({
      transactionalId: `${topic}-${n}`,
      maxInFlightRequests: 1,
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
    }));
  await Promise.all(producers.map((each) => each.connect()));
  const messages = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    value: "x".repeat(100),
  }));
  const commit = async (producer: typeof producers[number]) => {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages });
    await transaction.commit();
  };
  await Promise.all(producers.map(commit)); // to warm up
  const cpu = cpuSeconds(owner);
  const from = performance.now();
  let done = 0;
  await Promise.all(producers.map(async (producer) => {
    while (performance.now() - from < MEASURE_MS) {
      await commit(producer);
      done++;
    }
  }));
  const took = (performance.now() - from) / 1000;
  const used = cpuSeconds(owner) - cpu;
  console.log(
    `${partitions} partitions: ${rateOf(done / took)} transactions/s, ` +
      `${rateOf(done * partitions / took)} partitions of transactions/s, ` +
      `${(used / took).toFixed(2)} cores of the broker: ` +
      `${(used / done * 1e6 / partitions).toFixed(0)} µs for each partition`,
  );
  await Promise.all(producers.map((each) => each.disconnect()));
}
