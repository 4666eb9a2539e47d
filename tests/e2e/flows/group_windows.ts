/** Windows of a second by the time of values, from Kafka to Kafka, with those that are late. */
import {
  Dataflow,
  EventClockConfig,
  KafkaInputConfig,
  KafkaOutputConfig,
  text,
  TumblingWindowConfig,
} from "millrace";

/**
 * A value is its number, then its time in milliseconds since the Unix epoch. The flow ends where
 * its topic ends if the last argument is "once".
 */
export default function windows(args: readonly string[]): Dataflow<unknown> {
  const [broker, from, to, late, once] = args;
  const brokers = [broker];
  const clock = new EventClockConfig<[number, number]>({
    getTime: ([, at]) => at,
    wait: { milliseconds: 200 },
    watermark: "step",
  });
  const flow = new Dataflow("windows");
  const lists = flow.input(
    "in",
    new KafkaInputConfig({ brokers, topic: from, tail: once !== "once" }),
  )
    .map(([key, value]): [string, [number, number]] => {
      const [n, at] = text.decode(value!).split(" ").map(Number);
      return [text.decode(key), [n, at]];
    })
    .collectWindow("lists", clock, new TumblingWindowConfig({ length: { seconds: 1 } }));
  lists.windows
    .map(([key, [{ openAt }, values]]) => {
      const numbers = values.map(([n]) => n).sort((a, b) => a - b);
      return [key, `${openAt.getTime()} ${numbers}`] as const;
    })
    .capture("windows", new KafkaOutputConfig({ brokers, topic: to }));
  lists.late.map(([key, [n]]) => [key, `${n}`] as const)
    .capture("late", new KafkaOutputConfig({ brokers, topic: late }));
  return flow;
}
