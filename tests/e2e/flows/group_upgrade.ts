/** Counts the records of each key, from Kafka to Kafka, in several versions. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";

/**
 * Versions: `plain`; `letters`, which also counts first letters, by a step before the other; and
 * `renamed`, whose step has another id.
 */
export default function upgrade(args: readonly string[]): Dataflow<unknown> {
  const [version, broker, from, to, letters] = args;
  const brokers = [broker];
  const keyed = new Dataflow("upgrade")
    .input("in", new KafkaInputConfig({ brokers, topic: from }))
    .map(([key]): [string, number] => [text.decode(key), 1]);
  if (version === "letters") {
    keyed.map(([key]): [string, number] => [key[0], 1], { id: "letter" })
      .statefulMap("letters", () => 0, (count) => [count + 1, count + 1])
      .map(([letter, count]) => [letter, `${count}`] as const, { id: "letter text" })
      .capture("letters out", new KafkaOutputConfig({ brokers, topic: letters }));
  }
  const step = version === "renamed" ? "counts" : "count";
  return keyed.statefulMap(step, () => 0, (count) => [count + 1, count + 1])
    .map(([key, count]) => [key, `${count}`] as const, { id: "text" })
    .capture("out", new KafkaOutputConfig({ brokers, topic: to }));
}
