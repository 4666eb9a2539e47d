/** Kafka's input and output under the suites of all inputs and outputs, on a real broker. */
import { KafkaInputConfig, KafkaOutputConfig } from "millrace";
import { type InputSubject, testInput } from "../conformance/input.ts";
import { testSources } from "../conformance/input_sources.ts";
import { testOutput } from "../conformance/output.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { asText } from "../support/kafka/reading.ts";

/** Topics that are only read, so that all checks can share them. */
const topics = once(async () => {
  const brokers = await kafkaBrokers();
  const [two, one, empty] = await Promise.all([
    createTopic(brokers, { partitions: 2 }),
    createTopic(brokers),
    createTopic(brokers),
  ]);
  const items = [[two, 0], [two, 1], [one, 0]].map(([topic, partition]) =>
    Array.from({ length: 10 }, (_, i) => `${topic} ${partition} ${i}`)
  );
  const records = items.map((values, p) => values.map((value) => ({ value, partition: p % 2 })));
  await produce(brokers, two, [...records[0], ...records[1]]);
  await produce(brokers, one, records[2]);
  return { brokers, two, one, empty, items };
});

async function kafkaInput(): Promise<InputSubject<[Uint8Array | null, Uint8Array | null]>> {
  const { brokers, two, one, empty, items } = await topics();
  const configOf = (topic: string[], tail = false) =>
    new KafkaInputConfig({
      brokers,
      topic,
      tail,
      additionalProperties: { "group.id": `group-${crypto.randomUUID()}` },
    });
  return {
    config: () => configOf([two, one]),
    items,
    textOf: ([, value]) => asText(value)!,
    fewer: () => configOf([two]),
    waiting: () => configOf([empty], true),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

testSources("a Kafka input", kafkaInput);
testInput("a Kafka input", kafkaInput, {
  "the items before an error come first, then the error":
    "a real broker has nothing that cannot be read: source_test.ts and kafka_poison_test.ts have",
});

const REPEATS = "records that are written cannot be taken back, so they come twice";

testOutput("a Kafka output", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  return {
    config: () => new KafkaOutputConfig({ brokers, topic }),
    itemOf: (number: number) => [null, String(number)] as const,
    visible: async () => (await readAll(brokers, topic)).map(({ value }) => Number(value)),
    refused: { item: [null, Symbol("no record")] as never, message: "no record" },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}, {
  "a run continues after the last committed epoch: nothing comes twice": REPEATS,
  "a run continues with another number of workers: nothing comes twice": REPEATS,
});

/** Calls `make` when it is first needed, and no more. */
function once<R>(make: () => Promise<R>): () => Promise<R> {
  let made: Promise<R> | null = null;
  return () => made ??= make();
}
