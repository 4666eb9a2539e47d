/** Counts records by key from Kafka to Kafka, delivered exactly once or at least once. */
import { Dataflow, KafkaMessageInputConfig, KafkaOutputConfig, text } from "millrace";

/** `once`: ends at the end that `from` has at the start. */
export default function counts(args: readonly string[]): Dataflow<unknown> {
  const [broker, from, to, delivery, once] = args;
  const brokers = [broker];
  // Each test has its own ids, named like its topic.
  const exactly = {
    delivery: "exactly-once",
    additionalProperties: { "transactional.id": to },
  } as const;
  const output = new KafkaOutputConfig({
    brokers,
    topic: to,
    ...delivery === "exactly-once" ? exactly : {},
  });
  return new Dataflow("kafka-counts")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: once !== "once" }))
    .keyOn(({ key }) => text.decode(key))
    .statefulMap(
      "count",
      () => 0,
      (seen: number, { value }) => [seen + 1, `${seen + 1} ${text.decode(value)}`],
    )
    .capture("out", output);
}
