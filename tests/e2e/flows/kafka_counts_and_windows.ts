/**
 * Counts records by key, and gathers them in windows, from Kafka to two topics on Kafka. So each
 * epoch of a worker has two transactions.
 */
import {
  Dataflow,
  EventClockConfig,
  type KafkaMessage,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type Keyed,
  text,
  TumblingWindowConfig,
} from "millrace";
import { type CountsAndWindows, WINDOW_MS } from "../../faults/exactly_once.ts";

const clock = new EventClockConfig<KafkaMessage>({
  getTime: ({ timestamp }) => timestamp,
  wait: { hours: 1 }, // partitions may be read one after the other
});
const windower = new TumblingWindowConfig({ length: WINDOW_MS });

/** The argument is JSON: see `CountsAndWindows`. */
export default function countsAndWindows([argument]: readonly string[]): Dataflow<unknown> {
  const options: CountsAndWindows = JSON.parse(argument);
  const { brokers, outputBrokers = brokers, from, to, delivery, once, idPrefix } = options;
  const output = (topic: string) =>
    new KafkaOutputConfig({
      brokers: outputBrokers,
      topic,
      delivery,
      ...options.acceptLostEpoch === undefined ? {} : { acceptLostEpoch: options.acceptLostEpoch },
      additionalProperties: {
        ...delivery === "exactly-once" ? { "transactional.id": `${idPrefix}.${topic}` } : {},
        ...options.outputProperties,
      },
    });
  const flow = new Dataflow("counts-and-windows");
  const records = flow
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: !once }))
    .keyOn(({ key }) => text.decode(key));
  records
    .statefulMap(
      "count",
      () => 0,
      (seen: number, { value }) => [seen + 1, `${seen + 1} ${text.decode(value)}`],
    )
    .capture("counts", output(to.counts));
  const windows = records
    .foldWindow(
      "window",
      clock,
      windower,
      () => "",
      (all, { value }) => `${all} ${text.decode(value)}`,
    );
  const late = windows.late.mapValue(({ value }): string => ` late: ${text.decode(value)}`);
  windows.merge(late as Dataflow<Keyed<string>>)
    .capture("windows", output(to.windows));
  return flow;
}
