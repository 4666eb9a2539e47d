/** Counts the records of each key, from Kafka to Kafka. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";

/**
 * A record whose value is `bad` fails the step `check`. One whose value is `block MS` blocks it for
 * as many milliseconds, as a step does that computes. `once`: ends at the ends that topics have.
 */
export default function counts(args: readonly string[]): Dataflow<unknown> {
  const [broker, from, to, once] = args;
  const brokers = [broker];
  return new Dataflow("counts")
    .input("in", new KafkaInputConfig({ brokers, topic: from, tail: once !== "once" }))
    .map(([key, value]): [string, number] => {
      const [word, ms] = value === null ? [] : text.decode(value).split(" ");
      if (word === "bad") throw new RangeError("a bad value");
      for (const until = performance.now() + Number(ms); word === "block";) {
        if (performance.now() >= until) break;
      }
      return [text.decode(key), 1];
    }, { id: "check" })
    .statefulMap("count", () => 0, (count) => [count + 1, count + 1])
    .map(([key, count]) => [key, `${count}`] as const)
    .capture("out", new KafkaOutputConfig({ brokers, topic: to }));
}
