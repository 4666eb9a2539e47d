/** Random sources, windows, and steps between them. */
import {
  Dataflow,
  EventClockConfig,
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import type { Random } from "../values/random.ts";
import type { Event, Windows } from "./source_batch.ts";
import { type Draft, Feed, type Script } from "./source_feed.ts";
import { SourceLog, SourceLogs } from "./source_logs.ts";
import { type Plan, randomPlans } from "./source_run.ts";
import { apply, build, randomSteps } from "./source_steps.ts";

/** In their gaps, no sources are current, or some are for less than a second, or for longer. */
export type Regime = "steady" | "brief" | "live";

/** What a case may have. */
export interface Choices {
  /** How far events are out of order in their source. */
  readonly disorder: "none" | "up to the wait" | "beyond the wait";
  /** How many streams come to the windows; each has inputs of its own. */
  readonly streams: number;
  readonly kinds?: readonly Windows["kind"][];
  /** Whether sources are current in gaps; all three by default. */
  readonly regimes?: readonly Regime[];
}

/** Sources, and steps up to the windows. */
export interface SourceCase {
  readonly windows: Windows;
  readonly waitMs: number;
  readonly watermark: "key" | "step";
  readonly drift: number | undefined;
  readonly plans: readonly Plan[];
  readonly inputs: readonly SourceLogs<Event>[];
  readonly feed: Feed;
  /** The streams that come to the windows. */
  build(): Dataflow<Event>[];
  /** What they bring, given all that was fed. Events of each source are in order. */
  events(): Event[][];
  /** What to look at if the case fails. */
  readonly about: string;
}

/** A case. */
export function randomCase(
  random: Random,
  { disorder, streams, kinds, regimes = ["steady", "brief", "live"] }: Choices,
): SourceCase {
  const windows = randomWindows(random, random.pick(kinds ?? ["tumbling", "sliding", "session"]));
  const regime = random.pick(regimes);
  const waitMs = disorder === "none" ? 0 : random.pick([0, 1, 10, 50, 200]);
  // What is live has no old times, so no step may make some events older than others.
  const slack = regime === "live" ? 0 : random.below(waitMs + 1);
  const inputCount = streams === 1 ? random.pick([1, 1, 2]) : streams;
  const some = Math.floor(slack / 2);
  const all = regime === "live" && inputCount > 1 ? 0 : 1_000;
  const own = Array.from(
    { length: inputCount },
    (_, n) => randomSteps(random, `own-${n}`, 3, { all, some }),
  );
  const common = streams > 1 ? [] : randomSteps(random, "common", 3, { all: 1_000, some });
  const back = (kind: Script["kind"]): number => {
    if (disorder === "beyond the wait" && kind !== "live" && random.below(8) === 0) {
      return waitMs + 1 + random.below(300);
    }
    return random.below(3) === 0 ? random.below(waitMs - slack + 1) : 0;
  };
  const scripts = randomScripts(random, regime, back);
  const batchSize = random.pick([1, 5, 100]);
  const logsOf = (n: number) =>
    scripts.map(({ log }) => log).filter((_, at) => at % inputCount === n);
  const idsOf = (event: Event) => {
    const n = scripts.findIndex(({ log }) => log.name === event.source) % inputCount;
    return apply([...own[n], ...common], [event]).map(({ id }) => id);
  };
  const inputs = own.map((_, n) =>
    new SourceLogs<Event>(
      logsOf(n),
      random.below(1_000_000),
      batchSize,
      (event) => idsOf(event).length > 0,
    )
  );
  const plans = randomPlans(random);
  const watermark = random.pick(["key", "step"] as const);
  // Those that are to come at once do not wait for others.
  const drift = regime === "brief" ? 1e12 : random.pick([undefined, 0, 20, 1_000, 1e12]);
  const shown = scripts.map(({ kind, drafts, delay, rarity, endsEarly, from }) =>
    `${kind} ${drafts.length} from ${from} after ${delay} each ${rarity}${endsEarly ? " ends" : ""}`
  );
  return {
    windows,
    waitMs,
    watermark,
    drift,
    plans,
    inputs,
    feed: new Feed(scripts, idsOf, random),
    build() {
      const flow = new Dataflow("sources");
      const all = inputs.map((input, n) => build(own[n], flow.input(`in-${n}`, input)));
      if (streams > 1) return all;
      const [first, ...others] = all;
      return [build(common, others.length === 0 ? first : first.merge(...others))];
    },
    events() {
      const all = own.map((steps, n) => apply(steps, logsOf(n).flatMap(({ items }) => items)));
      return streams > 1 ? all : [apply(common, all.flat())];
    },
    about: [
      `${
        Deno.inspect(windows)
      }, wait ${waitMs}, by ${watermark}, drift ${drift}, batches of ${batchSize}`,
      ...own.map((steps, n) => `in-${n}: ${steps.map(({ name }) => name).join(", ")}`),
      `then ${common.map(({ name }) => name).join(", ")}`,
      ...plans.map((plan) => Deno.inspect(plan)),
      ...shown,
    ].join("\n"),
  };
}

/** The same windows for the engine. */
export function windowerOf(windows: Windows): Windower {
  switch (windows.kind) {
    case "tumbling":
      return new TumblingWindowConfig({ length: windows.length, alignTo: windows.alignTo });
    case "sliding": {
      const { length, offset, alignTo } = windows;
      return new SlidingWindowConfig({ length, offset, alignTo });
    }
    case "session":
      return new SessionWindowConfig({ gap: windows.gap });
  }
}

/** The clock of a case. */
export function clockOf({ waitMs, watermark, drift, feed }: SourceCase): EventClockConfig<Event> {
  const getTime = ({ id, time }: Event) => {
    feed.arrived.add(id);
    return time;
  };
  return new EventClockConfig<Event>({ getTime, wait: waitMs, watermark, drift });
}

function randomWindows(random: Random, kind: Windows["kind"]): Windows {
  const length = 20 + random.below(100);
  const alignTo = random.below(200) - 100;
  switch (kind) {
    case "tumbling":
      return { kind, length, alignTo };
    case "sliding":
      return { kind, length, alignTo, offset: Math.ceil(length / (1 + random.below(4))) };
    case "session":
      return { kind, gap: 5 + random.below(40) };
  }
}

function randomScripts(
  random: Random,
  regime: Regime,
  back: (kind: Script["kind"]) => number,
): Script[] {
  const keys = 1 + random.below(5);
  const isApart = random.below(2) === 0;
  const scripts = Array.from({ length: 1 + random.below(8) }, (_, at): Script => {
    const source = `s${at}`;
    const stride = 1 + random.below(30);
    const size = random.pick([0, 3, 15, 15, 40]);
    const kind = random.pick<Script["kind"]>([
      "backlog",
      "behind",
      regime === "steady" ? "backlog" : regime,
      regime === "steady" ? "behind" : regime,
    ]);
    return {
      log: new SourceLog(source),
      kind,
      from: isApart ? random.below(1_000) : random.below(20),
      drafts: Array.from({ length: size }, (_, n): Draft => ({
        id: `${at}-${n}`,
        source,
        key: `k${random.below(keys)}`,
        side: random.below(2),
        on: random.below(stride) + (random.below(15) === 0 ? random.below(300) : 0),
        back: back(kind),
      })),
      delay: random.pick([0, 0, 10, 30]),
      rarity: random.pick([1, 1, 3, 10]),
      endsEarly: random.below(2) === 0,
    };
  });
  // While all have nothing to read, time goes on by the clock. So this one always has, far ahead.
  if (regime === "brief") {
    const drafts = Array.from( // the steps let some of them through
      { length: 40 },
      (_, n) => ({ id: `ahead-${n}`, source: "ahead", key: "ahead", side: 0, on: 0, back: 0 }),
    );
    const script = { from: 1_000_000, drafts, delay: 0, rarity: 1, endsEarly: false };
    scripts.push({ ...script, log: new SourceLog("ahead"), kind: "backlog" });
  }
  return scripts;
}
