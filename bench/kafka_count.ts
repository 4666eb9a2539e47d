/** Counting the records of a topic, compared with KafkaJS's `eachBatch`. */
import { Dataflow, KafkaInputConfig, run } from "millrace";
import { kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { compareKafka, consumeBare, fullTopic } from "./kafka_support.ts";
import { batchOutput } from "./support.ts";

const COUNT = 1_000_000;

const brokers = await kafkaBrokers();
for (const partitions of [4, 1]) {
  const record = (i: number) => ({ value: String(i).padStart(100, "x") });
  const topic = await fullTopic(brokers, { count: COUNT, partitions, record });
  const title = `count 100-byte records, ${partitions} partition${partitions === 1 ? "" : "s"}`;
  await compareKafka(title, { count: COUNT }, {
    "bare KafkaJS eachBatch": async () => {
      await consumeBare(brokers, { topic, count: COUNT }, ({ batch }) => batch.messages.length);
    },
    millrace: async () => {
      let seen = 0;
      await run(
        new Dataflow("count")
          .input("in", new KafkaInputConfig({ brokers, topic, tail: false }))
          .capture(batchOutput((batch) => seen += batch.length)),
      );
      if (seen !== COUNT) throw new Error(`saw ${seen} records`);
    },
  });
}
