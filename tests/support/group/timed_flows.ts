/** Flows for a group that go by event time, with the topics that they read. */
import {
  type Dataflow,
  EventClockConfig,
  type Keyed,
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import type { BuildFlow, FlowParts } from "./group_run.ts";

/** A value with its time, in milliseconds since the Unix epoch. */
export interface Timed {
  readonly at: number;
  readonly n: number;
}

/** How long a value may be out of order within its partition, in milliseconds. */
export const WAIT_MS = 200;

/** How long the windows of most flows are, in milliseconds. */
export const LENGTH_MS = 1_000;

/** A flow by event time. It has outputs of windows, and of late values. */
export interface TimedFlow {
  readonly build: BuildFlow;
  /** The topics, each with a number of partitions. */
  readonly topics: Readonly<Record<string, number>>;
}

type Item = Keyed<Timed>;

const getTime = ({ at }: Timed): number => at;
const byKey = new EventClockConfig({ getTime, wait: WAIT_MS });
const byStep = new EventClockConfig({ getTime, wait: WAIT_MS, watermark: "step" });
const tumbling = new TumblingWindowConfig({ length: LENGTH_MS });

/** Windows with the numbers of their values, in an order that does not depend on how they came. */
function collect(
  { output }: FlowParts,
  stream: Dataflow<Item>,
  clock: EventClockConfig<Timed> = byKey,
  windower: Windower = tumbling,
): void {
  const lists = stream.collectWindow("lists", clock, windower);
  lists.windows
    .map(([key, [{ openAt }, values]]) =>
      [key, openAt.getTime(), ...values.map(({ n }) => n).sort((a, b) => a - b)] as const
    )
    .capture("windows", output("windows"));
  lists.late.map(([key, { n }]) => [key, n] as const).capture("late", output("late"));
}

/**
 * Sessions that are short wherever values come all the time. A value that is too old is late then:
 * a long session may be open that it joins.
 */
export const SHORT_SESSIONS: TimedFlow = {
  build: (parts) =>
    collect(
      parts,
      parts.input<Item>("in", "numbers"),
      byKey,
      new SessionWindowConfig({ gap: 20 }),
    ),
  topics: { numbers: 3 },
};

/** By name. */
export const TIMED_FLOWS: Readonly<Record<string, TimedFlow>> = {
  "tumbling windows": {
    build: (parts) => collect(parts, parts.input<Item>("in", "numbers")),
    topics: { numbers: 2 },
  },
  "tumbling windows of more partitions than shards": {
    build: (parts) => collect(parts, parts.input<Item>("in", "numbers")),
    topics: { numbers: 5 },
  },
  "tumbling windows with one watermark": {
    build: (parts) => collect(parts, parts.input<Item>("in", "numbers"), byStep),
    topics: { numbers: 4 },
  },
  "sliding windows": {
    build: (parts) =>
      collect(
        parts,
        parts.input<Item>("in", "numbers"),
        byKey,
        new SlidingWindowConfig({ length: LENGTH_MS, offset: LENGTH_MS / 2 }),
      ),
    topics: { numbers: 2 },
  },
  "session windows": {
    build: (parts) =>
      collect(
        parts,
        parts.input<Item>("in", "numbers"),
        byKey,
        new SessionWindowConfig({ gap: 300 }),
      ),
    topics: { numbers: 3 },
  },
  "windows of two topics with different numbers of partitions": {
    build: (parts) =>
      collect(
        parts,
        parts.input<Item>("in", "numbers").merge(parts.input<Item>("other", "others")),
        byStep,
      ),
    topics: { numbers: 2, others: 4 },
  },
  "windows after redistribute, which lets items overtake one another": {
    build: (parts) => collect(parts, parts.input<Item>("in", "numbers").redistribute()),
    topics: { numbers: 3 },
  },
  "windows after mapAsync": {
    build: (parts) =>
      collect(
        parts,
        parts.input<Item>("in", "numbers").mapAsync((item) => Promise.resolve(item)),
      ),
    topics: { numbers: 2 },
  },
  "windows after another step of the same keys": {
    build: (parts) =>
      collect(
        parts,
        parts.input<Item>("in", "numbers").statefulMap("pass", () => 0, (count, value) => [
          count + 1,
          value,
        ]),
      ),
    topics: { numbers: 2 },
  },
  "windows of windows": {
    build: (parts) => {
      const { input, output } = parts;
      const first = input<Item>("in", "numbers").collectWindow("first", byKey, tumbling);
      first.late.map(([key, { n }]) => [key, n] as const)
        .capture("first-late", output("first late"));
      collect(
        parts,
        first.windows.map(([key, [{ openAt }, values]]): Item => [
          key.slice(0, 1),
          { at: openAt.getTime(), n: values.reduce((sum, { n }) => sum + n, 0) },
        ]),
        byStep,
        new TumblingWindowConfig({ length: 2 * LENGTH_MS }),
      );
    },
    topics: { numbers: 3 },
  },
  "a join by time of two topics": {
    build: ({ input, output }) => {
      const rows = input<Item>("left", "numbers")
        .joinWindow("rows", byKey, tumbling, input<Item>("right", "others"), { mode: "product" });
      rows.windows
        .map(([key, [{ openAt }, [left, right]]]) =>
          [key, openAt.getTime(), left.n, right.n] as const
        )
        .capture("windows", output("windows"));
      rows.late.map((late) => JSON.stringify(late)).capture("late", output("late"));
    },
    topics: { numbers: 2, others: 3 },
  },
};
