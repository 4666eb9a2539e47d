/** Resident memory over a long run: from an async generator, and from Kafka into a slow output. */
import { Dataflow, KafkaInputConfig, ManualInputConfig, run } from "millrace";
import { createTopic, kafkaBrokers, produce } from "../tests/support/kafka/kafka.ts";
import { batchOutput, residentMiB } from "./support.ts";

const GENERATED = 10_000_000;
const MESSAGES = 2_000_000;

/** Counts items, and prints the resident memory each time that many more have come. */
function watch(each: number): (items: number) => void {
  let seen = 0;
  return (items) => {
    const before = Math.floor(seen / each);
    seen += items;
    if (Math.floor(seen / each) > before) console.log(`  ${seen} items: ${residentMiB()} MiB`);
  };
}

console.log(`\nmemory: ${GENERATED} items from an async generator, four steps`);
const generated = watch(1_000_000);
await run(
  new Dataflow("generated")
    .input(
      "in",
      new ManualInputConfig<number>(async function* () {
        for (let i = 0; i < GENERATED; i++) {
          if (i % 1000 === 0) await Promise.resolve();
          generated(1);
          yield [i, i];
        }
      }),
    )
    .map((x) => x * 3)
    .map((x) => x + 1)
    .filter((x) => (x & 1) === 0)
    .map((x) => x >> 1)
    .capture(batchOutput(() => {})),
);

const brokers = await kafkaBrokers();
const topic = await createTopic(brokers, { partitions: 4 });
const CHUNK = 100_000;
for (let at = 0; at < MESSAGES; at += CHUNK) {
  const records = Array.from({ length: CHUNK }, (_, i) => ({
    value: String(at + i).padStart(100, "x"),
    partition: i % 4,
  }));
  await produce(brokers, topic, records);
}

console.log(`\nmemory: ${MESSAGES} Kafka messages of 100 bytes into an output of 1 ms a batch`);
const fetched = watch(200_000);
await run(
  new Dataflow("slow")
    .input("in", new KafkaInputConfig({ brokers, topic, tail: false }))
    .capture({
      open: () =>
        Promise.resolve({
          write: async (batch: readonly unknown[]) => {
            fetched(batch.length);
            await new Promise((resolve) => setTimeout(resolve, 1));
          },
          prepare: () => Promise.resolve(new Map()),
          close: () => Promise.resolve(),
        }),
    }),
);
