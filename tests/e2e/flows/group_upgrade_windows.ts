/** Counts values in windows of ten seconds of their own time, from one topic or from two. */
import {
  Dataflow,
  EventClockConfig,
  KafkaInputConfig,
  KafkaOutputConfig,
  text,
  TumblingWindowConfig,
} from "millrace";

export default function windows(args: readonly string[]): Dataflow<unknown> {
  const [version, broker, from, to, second] = args;
  const brokers = [broker];
  const flow = new Dataflow("windows");
  const read = (id: string, topic: string) =>
    flow.input(id, new KafkaInputConfig({ brokers, topic }))
      .map(([key, value]): [string, number] => [text.decode(key), Number(text.decode(value!))], {
        id: `${id} seconds`,
      });
  const first = read("in", from);
  const seconds = version === "both" ? first.merge(read("second", second)) : first;
  const clock = new EventClockConfig({
    getTime: (second: number) => new Date(second * 1_000),
    wait: { seconds: 1 },
  });
  const length = { seconds: 10 };
  return seconds.countWindow("window", clock, new TumblingWindowConfig({ length })).windows
    .map(([key, [{ openAt }, count]]) => [`${key} ${openAt.getTime()}`, `${count}`] as const)
    .capture("out", new KafkaOutputConfig({ brokers, topic: to }));
}
