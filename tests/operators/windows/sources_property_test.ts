/**
 * What windows come to does not depend on how fast sources are read beside one another.
 *
 * Random flows run over several sources at random speeds, on 1 to 3 workers, with stops and
 * crashes. Batch code reckons what they come to from all events at once. A case that fails can be
 * repeated: set `SOURCES_SEED` to its number, and `SOURCES_CASES` to 1.
 */
import { assertEquals } from "@std/assert";
import {
  EventClockConfig,
  type Keyed,
  type OutputConfig,
  type WindowedDataflow,
  type WindowMetadata,
} from "../../../mod.ts";
import { ExactOutput } from "../../support/recovery/resumable.ts";
import { Random } from "../../support/values/random.ts";
import {
  assertOwnLateness,
  batch,
  type Event,
  type Heap,
} from "../../support/windows/source_batch.ts";
import {
  type Choices,
  clockOf,
  randomCase,
  type SourceCase,
  windowerOf,
} from "../../support/windows/source_cases.ts";
import { runPlans } from "../../support/windows/source_run.ts";

const FIRST = Number(Deno.env.get("SOURCES_SEED") ?? 1);
const CASES = Number(Deno.env.get("SOURCES_CASES") ?? 30);

/** A test of many cases, each with its own random numbers. */
function cases(
  name: string,
  choices: Choices,
  check: (each: SourceCase, random: Random) => Promise<void>,
): void {
  Deno.test(`${CASES} random flows: ${name}`, async () => {
    const failed: { seed: number; about: string; cause: unknown }[] = [];
    for (let seed = FIRST; seed < FIRST + CASES; seed++) {
      const random = new Random(seed);
      const each = randomCase(random, choices);
      await check(each, random)
        .catch((cause) => failed.push({ seed, about: each.about, cause }));
    }
    if (failed.length === 0) return;
    const seeds = failed.map(({ seed }) => seed).join(", ");
    const [{ seed, about, cause }] = failed;
    throw new Error(`seeds ${seeds}; SOURCES_SEED=${seed}:\n${about}`, { cause });
  });
}

/** A result of a window with its span. */
type Row = readonly [key: string, openAt: number, closeAt: number, result: unknown];

/** What came out of a window step. */
class Results {
  readonly windows = new ExactOutput<Keyed<[WindowMetadata, unknown]>>();
  readonly late = new ExactOutput<Keyed<Event>>();

  rows(of: (result: unknown) => unknown): Row[] {
    return this.windows.items.map(([key, [{ openAt, closeAt }, result]]) =>
      [key, openAt.getTime(), closeAt.getTime(), of(result)] as const
    );
  }

  get lateIds(): string[] {
    return this.late.items.map(([, { id }]) => id);
  }
}

const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();

/** How windows are folded, and what that comes to. */
interface Fold {
  readonly step: "collect" | "count" | "fold" | "final" | "product";
  /** The result of the engine, without what depends on the order in which events come. */
  of(result: unknown): unknown;
  /** The results of a window: one, but for joins. */
  from(events: readonly Event[]): unknown[];
}

const ids = (events: readonly Event[]) => events.map(({ id }) => id).sort();

const FOLDS: readonly Fold[] = [
  {
    step: "collect",
    of: (result) => {
      const events = result as Event[];
      const times = events.map(({ time }) => time);
      assertEquals(times, times.toSorted((a, b) => a - b));
      return ids(events);
    },
    from: (events) => [ids(events)],
  },
  { step: "count", of: (count) => count, from: (events) => [events.length] },
  { step: "fold", of: (list) => (list as string[]).toSorted(), from: (events) => [ids(events)] },
];

/** Runs a case with one stream. */
async function runFold(each: SourceCase, { step }: Fold): Promise<Results> {
  const results = new Results();
  const { plans, inputs, feed, windows } = each;
  const keyed = each.build()[0].keyOn(({ key }) => key);
  const clock = clockOf(each);
  const windower = windowerOf(windows);
  const windowed: WindowedDataflow<unknown, Event> = step === "collect"
    ? keyed.collectWindow("windows", clock, windower)
    : step === "count"
    ? keyed.countWindow("windows", clock, windower)
    : keyed.foldWindow(
      "windows",
      clock,
      windower,
      (): string[] => [],
      (list, { id }) => [...list, id],
      (a, b) => [...a, ...b],
    );
  windowed.late.capture("late", results.late as OutputConfig<unknown>);
  const flow = windowed.windows.capture("out", results.windows as OutputConfig<unknown>);
  await runPlans(flow, plans, inputs, feed, new Random(7));
  return results;
}

/** What a window comes to, if nothing is late. */
function expected(heaps: readonly Heap[], { from }: Fold): Row[] {
  return heaps.flatMap(({ key, openAt, closeAt, events }) =>
    from(events).map((result) => [key, openAt, closeAt, result] as const)
  );
}

const WITHIN = { disorder: "up to the wait", streams: 1 } as const;

cases(
  "nothing is late that is out of order by no more than the wait",
  WITHIN,
  async (each, random) => {
    const fold = random.pick(FOLDS);
    const results = await runFold(each, fold);
    assertEquals(results.lateIds, []);
    const [events] = each.events();
    assertEquals(
      sorted(results.rows(fold.of)),
      sorted(expected(batch(events, each.windows), fold)),
    );
  },
);

const BEYOND = { disorder: "beyond the wait", streams: 1 } as const;

cases("only what is beyond the wait of its own source is late", BEYOND, async (each, random) => {
  const fold = random.pick(FOLDS.filter(({ step }) => step !== "count"));
  const results = await runFold(each, fold);
  const rows = results.rows(fold.of).map(([key, openAt, closeAt, ids]) => ({
    key,
    openAt,
    closeAt,
    ids: ids as string[],
  }));
  const [events] = each.events();
  assertOwnLateness(events, each.windows, each.waitMs, rows, results.lateIds);
});

/** The newest time of each side, or every pair of both. */
const JOINS: readonly (Fold & { readonly step: "final" | "product" })[] = [
  {
    step: "final",
    of: (row) => (row as (Event | undefined)[]).map((event) => event?.time ?? null),
    from: (events) => [[0, 1].map((side) => {
      const times = events.filter((event) => event.side === side).map(({ time }) => time);
      return times.length === 0 ? null : Math.max(...times);
    })],
  },
  {
    step: "product",
    of: (row) => (row as Event[]).map(({ id }) => id),
    from: (events) =>
      events.filter(({ side }) => side === 0).flatMap((left) =>
        events.filter(({ side }) => side === 1).map((right) => [left.id, right.id])
      ),
  },
];

const TWO = { disorder: "up to the wait", streams: 2 } as const;

cases("joinWindow of two inputs is that of all their values", TWO, async (each, random) => {
  const join = random.pick(JOINS);
  const results = new Results();
  const { plans, inputs, feed, windows } = each;
  const [left, right] = each.build().map((stream) => stream.keyOn(({ key }) => key));
  const mode = join.step;
  const joined = left.joinWindow("windows", clockOf(each), windowerOf(windows), right, { mode });
  joined.late.capture("late", results.late as OutputConfig<unknown>);
  const flow = joined.windows.capture("out", results.windows as OutputConfig<unknown>);
  await runPlans(flow, plans, inputs, feed, new Random(7));
  assertEquals(results.lateIds, []);
  const events = each.events().flatMap((own, side) => own.map((event) => ({ ...event, side })));
  // A session may grow after a pair has come out.
  const isOpen = mode === "product" && windows.kind === "session";
  const shown = (rows: Row[]) =>
    sorted(isOpen ? rows.map(([key, , , row]) => [key, 0, 0, row] as const) : rows);
  assertEquals(shown(results.rows(join.of)), shown(expected(batch(events, windows), join)));
});

const IN_ORDER = {
  disorder: "none",
  streams: 1,
  kinds: ["tumbling", "sliding"],
  regimes: ["steady", "live"],
} as const;

cases("nothing is late in windows over windows, by another key", IN_ORDER, async (each, random) => {
  const results = new Results();
  const { plans, inputs, feed, windows } = each;
  const at = random.pick(["openAt", "closeAt"] as const);
  const length = random.pick([1, 50, 400]);
  const second = { kind: "tumbling", length, alignTo: 0 } as const;
  const again = (key: string, openAt: number, closeAt: number): Event => ({
    id: `${key}/${openAt}`,
    source: "windows",
    key: `${openAt % 2}`,
    time: at === "openAt" ? openAt : closeAt - 1, // the last time that the window has
    side: 0,
  });
  const first = each.build()[0].keyOn(({ key }) => key)
    .countWindow("first", clockOf(each), windowerOf(windows));
  const clock = new EventClockConfig<Event>({
    getTime: ({ time }) => time,
    wait: 0,
    watermark: "step",
  });
  const windowed = first.windows
    .map(([key, [{ openAt, closeAt }]]) => again(key, openAt.getTime(), closeAt.getTime()))
    .keyOn(({ key }) => key)
    .collectWindow("second", clock, windowerOf(second));
  first.late.capture("late first", results.late as OutputConfig<unknown>);
  windowed.late.capture("late", results.late as OutputConfig<unknown>);
  const flow = windowed.windows.capture("out", results.windows as OutputConfig<unknown>);
  await runPlans(flow, plans, inputs, feed, new Random(7));
  const [collect] = FOLDS;
  const [events] = each.events();
  const between = batch(events, windows).map(({ key, openAt, closeAt }) =>
    again(key, openAt, closeAt)
  );
  assertEquals(sorted(results.rows(collect.of)), sorted(expected(batch(between, second), collect)));
  assertEquals(results.lateIds, []);
});
