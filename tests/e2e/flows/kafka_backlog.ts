/** Windows of a minute over topics that are read long after they were written. */
import {
  Dataflow,
  EventClockConfig,
  KafkaMessageInputConfig,
  StdOutputConfig,
  text,
  TumblingWindowConfig,
} from "millrace";
import { keyOf } from "../../support/kafka/backlog.ts";

/** What the flows know of a record. */
export interface Seen {
  readonly key: string;
  readonly at: number;
  readonly offset: number;
}

/** How the records are read. */
export interface BacklogOptions {
  /** For each input, its topics. */
  readonly inputs: readonly (readonly string[])[];
  readonly tail?: boolean;
  /** Whether values are JSON with `key` and `at`, so that the broker's times say nothing. */
  readonly json?: boolean;
  /** Librdkafka's properties. */
  readonly properties?: Readonly<Record<string, string | number>>;
  /** Waits before a record goes on. */
  readonly pause?: (seen: Seen) => Promise<void>;
}

const clock = new EventClockConfig({ getTime: ({ at }: Seen) => at, wait: { seconds: 10 } });
const minutes = new TumblingWindowConfig({ length: { minutes: 1 } });

/** Returns counts by key and minute, as lines `KEY BEGINNING COUNT` or `late KEY TIME`. */
export function countMinutes(brokers: string[], options: BacklogOptions): Dataflow<string> {
  const { inputs, tail = false, json = false, pause, properties } = options;
  const flow = new Dataflow("backlog");
  const [first, ...others] = inputs.map((topic, i) =>
    flow
      .input(
        `in ${i}`,
        new KafkaMessageInputConfig({ brokers, topic, tail, additionalProperties: properties }),
      )
      .map(({ value, offset, timestamp }): Seen =>
        json
          ? JSON.parse(text.decode(value))
          : { key: keyOf({ offset }), at: timestamp, offset: Number(offset) }
      )
  );
  const all = first.merge(...others);
  const paused = pause === undefined ? all : all.mapAsync(async (seen) => {
    await pause(seen);
    return seen;
  });
  const counts = paused.keyOn(({ key }) => key).countWindow("count", clock, minutes);
  return counts.windows
    .map(([key, [{ openAt }, count]]) => `${key} ${openAt.getTime()} ${count}`)
    .merge(counts.late.map(([key, { at }]) => `late ${key} ${at}`));
}

/**
 * `BROKER INPUTS [tail] [json] [slow]`, where `INPUTS` are topics of an input with commas between
 * them, and inputs with `+`. With `slow`, reading takes some seconds.
 */
export default function backlog([broker, inputs, ...modes]: readonly string[]): Dataflow<string> {
  return countMinutes([broker], {
    inputs: inputs.split("+").map((topics) => topics.split(",")),
    tail: modes.includes("tail"),
    json: modes.includes("json"),
    pause: modes.includes("slow") ? pauseSometimes : undefined,
  }).capture(new StdOutputConfig());
}

async function pauseSometimes({ offset }: Seen): Promise<void> {
  if (offset % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

/**
 * `BROKER ORDERS PAYMENTS`: the newest order and payment of each key and minute, as lines
 * `KEY TIME_OF_ORDER TIME_OF_PAYMENT` or `late KEY TIME`.
 */
export function joined([broker, ...topics]: readonly string[]): Dataflow<string> {
  const flow = new Dataflow("joined");
  const [orders, payments] = topics.map((topic) =>
    flow.input(topic, new KafkaMessageInputConfig({ brokers: [broker], topic, tail: false }))
      .map(({ offset, timestamp }): [string, Seen] => {
        const key = keyOf({ offset });
        return [key, { key, at: timestamp, offset: Number(offset) }];
      })
  );
  const rows = orders.joinWindow("join", clock, minutes, payments);
  return rows
    .map(([key, [order, payment]]) => `${key} ${order?.at} ${payment?.at}`)
    .merge(rows.late.map(([key, { at }]) => `late ${key} ${at}`))
    .capture(new StdOutputConfig());
}
