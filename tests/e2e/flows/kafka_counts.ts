/** Counts records by key from Kafka to Kafka. */
import { Dataflow, KafkaMessageInputConfig, KafkaOutputConfig, text } from "millrace";

/** `once`: ends at the end that `from` has at the start. */
export default function counts(args: readonly string[]): Dataflow<unknown> {
  const [broker, from, to, once] = args;
  const brokers = [broker];
  return new Dataflow("kafka-counts")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: once !== "once" }))
    .keyOn(({ key }) => text.decode(key))
    .statefulMap("count", () => 0, (seen: number) => [seen + 1, seen + 1])
    .mapValue(String)
    .capture("out", new KafkaOutputConfig({ brokers, topic: to }));
}
