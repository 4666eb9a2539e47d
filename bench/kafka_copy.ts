/** Kafka to Kafka, 100-byte messages in 4 partitions, beside a loop on bare KafkaJS. */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { Dataflow, KafkaMessageInputConfig, KafkaOutputConfig, run } from "millrace";
import { createTopic, kafkaBrokers, produce, readAll } from "../tests/support/kafka.ts";
import { median, rateOf } from "./support.ts";

const MESSAGES = 500_000;
const PARTITIONS = 4;
const ROUNDS = 3;
const CHUNK = 800; // KafkaJS's best: it groups the messages of a send in quadratic time
const IN_FLIGHT = 16;

const brokers = await kafkaBrokers();
const from = await createTopic(brokers, { partitions: PARTITIONS });
for (let at = 0; at < MESSAGES; at += 100_000) {
  const records = Array.from({ length: 100_000 }, (_, i) => ({
    key: `key-${(at + i) % 1000}`,
    value: String(at + i).padStart(100, "x"),
    partition: i % PARTITIONS,
  }));
  await produce(brokers, from, records);
}

async function millrace(to: string): Promise<void> {
  const flow = new Dataflow("copy")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
    .map(({ key, value, partition }) => ({ key, value, partition }))
    .capture(new KafkaOutputConfig({ brokers, topic: to }));
  await run(flow);
}

async function bareKafkaJs(to: string): Promise<void> {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({
    groupId: `bench-${crypto.randomUUID()}`,
    maxBytesPerPartition: 4 << 20,
    maxBytes: 16 << 20,
    maxWaitTimeInMs: 100,
  });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic: from, fromBeginning: true });
  const done = Promise.withResolvers<void>();
  let acknowledged = 0;
  await consumer.run({
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch, resolveOffset }) => {
      const { messages, partition } = batch;
      const flight: Promise<unknown>[] = [];
      for (let i = 0; i < messages.length; i += CHUNK) {
        const chunk = messages.slice(i, i + CHUNK).map(({ key, value }) => ({
          key,
          value,
          partition,
        }));
        flight.push(producer.send({ topic: to, acks: -1, messages: chunk }));
        if (flight.length >= IN_FLIGHT) await flight.shift();
      }
      await Promise.all(flight);
      resolveOffset(batch.lastOffset());
      acknowledged += messages.length;
      if (acknowledged >= MESSAGES) done.resolve();
    },
  });
  await done.promise;
  await consumer.disconnect();
  await producer.disconnect();
}

const contestants = { "bare KafkaJS loop": bareKafkaJs, millrace };
const times: Record<string, number[]> = {};
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, copy] of Object.entries(contestants)) {
    const to = await createTopic(brokers, { partitions: PARTITIONS });
    const started = performance.now();
    await copy(to);
    const took = performance.now() - started;
    if (round > 0) (times[name] ??= []).push(took);
    else if (name === "millrace") await checkCopy(to);
  }
}

/** The same bytes in the same order in each partition. */
async function checkCopy(to: string): Promise<void> {
  const [source, copy] = [await readAll(brokers, from), await readAll(brokers, to)];
  const same = source.length === MESSAGES && copy.length === MESSAGES &&
    source.every(({ partition, key, value }, i) =>
      copy[i].partition === partition && copy[i].key === key && copy[i].value === value
    );
  if (!same) throw new Error(`the copy differs: ${source.length} and ${copy.length} records`);
  console.log(`\nKafka to Kafka: ${copy.length} records, same bytes and order in each partition`);
}

const first = median(times["bare KafkaJS loop"]);
for (const [name, all] of Object.entries(times)) {
  const took = median(all);
  console.log(
    `  ${name.padEnd(34)}${`${rateOf(MESSAGES / took * 1000)} messages/s`.padStart(20)}  ratio ${
      (first / took).toFixed(2)
    }  (${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)} ms, ${ROUNDS} rounds)`,
  );
}
