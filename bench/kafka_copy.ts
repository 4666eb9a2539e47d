/** Kafka to Kafka, 100-byte records in 4 partitions, compared with a loop on bare KafkaJS. */
import { Dataflow, KafkaMessageInputConfig, KafkaOutputConfig, run } from "millrace";
import { createTopic, kafkaBrokers, readAll } from "../tests/support/kafka/kafka.ts";
import {
  compareKafka,
  consumeBare,
  fullTopic,
  sendBare,
  withBareProducer,
} from "./kafka_support.ts";

const COUNT = Number(Deno.args[0] ?? 500_000);
const BYTES = Number(Deno.args[1] ?? 100);
const PARTITIONS = 4;

const brokers = await kafkaBrokers();
const from = await fullTopic(brokers, {
  count: COUNT,
  partitions: PARTITIONS,
  record: (i) => ({ key: `key-${i % 1000}`, value: String(i).padStart(BYTES, "x") }),
});

const checked = new Set<string>();

/** Has a new topic written, and looks once for each way of writing at what has come. */
async function copyInto(name: string, copy: (to: string) => Promise<void>): Promise<void> {
  const to = await createTopic(brokers, { partitions: PARTITIONS });
  await copy(to);
  if (checked.has(name)) return;
  checked.add(name);
  const [source, target] = [await readAll(brokers, from), await readAll(brokers, to)];
  const same = source.length === COUNT && target.length === COUNT &&
    source.every(({ partition, key, value }, i) =>
      target[i].partition === partition && target[i].key === key && target[i].value === value
    );
  if (name === "millrace" && !same) {
    throw new Error(`the copy differs: ${source.length} and ${target.length} records`);
  }
  console.log(`${name}: ${same ? "same" : "not the same"} bytes and order in each partition`);
}

const title = `Kafka to Kafka, ${BYTES}-byte values`;
await compareKafka(title, { count: COUNT, bytes: BYTES, rounds: 3 }, {
  "bare KafkaJS loop": () =>
    copyInto(
      "bare KafkaJS loop",
      (to) =>
        withBareProducer(brokers, (producer) =>
          consumeBare(brokers, { topic: from, count: COUNT }, async ({ batch }) => {
            const { messages, partition } = batch;
            await sendBare(
              producer,
              to,
              messages.map(({ key, value }) => ({ key, value, partition })),
            );
            return messages.length;
          })),
    ),
  millrace: () =>
    copyInto("millrace", async (to) => {
      const flow = new Dataflow("copy")
        .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
        .map(({ key, value, partition }) => ({ key, value, partition }))
        .capture(new KafkaOutputConfig({ brokers, topic: to }));
      await run(flow);
    }),
});
