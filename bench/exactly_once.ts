/**
 * What exactly once costs, beside at least once in turns. Kafka to Kafka, with epochs of a second
 * and a recovery store in a file.
 */
import {
  Dataflow,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  run,
  SqliteRecoveryConfig,
} from "millrace";
import { createTopic, kafkaBrokers, readAll } from "../tests/support/kafka/kafka.ts";
import { compareKafka, fullTopic } from "./kafka_support.ts";

const COUNT = Number(Deno.args[0] ?? 2_000_000);
const BYTES = 100;
const PARTITIONS = 4;

const brokers = await kafkaBrokers();
const from = await fullTopic(brokers, {
  count: COUNT,
  partitions: PARTITIONS,
  record: (i) => ({ key: `key-${i % 1000}`, value: String(i).padStart(BYTES, "x") }),
});
const folder = await Deno.makeTempDir();
let checked = false;

async function copy(delivery: "exactly-once" | "at-least-once"): Promise<void> {
  const topic = await createTopic(brokers, { partitions: PARTITIONS });
  const flow = new Dataflow("copy")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
    .map(({ key, value, partition }) => ({ key, value, partition }))
    .capture("out", new KafkaOutputConfig({ brokers, topic, delivery }));
  const recovery = new SqliteRecoveryConfig(`${folder}/${topic}.db`);
  await run(flow, { recovery, epoch: { interval: { seconds: 1 } } });
  if (delivery === "at-least-once" || checked) return;
  checked = true;
  const copied = await readAll(brokers, topic);
  if (copied.length !== COUNT) throw new Error(`${copied.length} of ${COUNT} records came`);
}

await compareKafka("Kafka to Kafka, epochs of a second", { count: COUNT, bytes: BYTES }, {
  "at least once": () => copy("at-least-once"),
  "exactly once": () => copy("exactly-once"),
});
await Deno.remove(folder, { recursive: true });
