/** Joins within windows at random, against lists of all values. */
import { assert, assertEquals } from "@std/assert";
import {
  type BuildLogic,
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type JoinMode,
  type Keyed,
  type OutputConfig,
  run,
  type StepError,
  type WindowMetadata,
} from "../../../mod.ts";
import { joinFold, sidedClock } from "../../../src/operators/windows/join_fold.ts";
import { type WindowEvent, windowLogic } from "../../../src/operators/windows/window_logic.ts";
import type { Windows } from "../../support/windows/source_batch.ts";
import { windowerOf } from "../../support/windows/source_cases.ts";
import { joinParts, type Sided, type Timed } from "../../support/windows/join_parts.ts";
import { byKey, LogicDriver } from "../../support/runtime/logic_driver.ts";
import { Random } from "../../support/values/random.ts";
import { ExactOutput, numbers } from "../../support/recovery/resumable.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";
import { runWorkers } from "../../support/runtime/workers.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

const CASES = 20_000;
const ALONE = 60;
const ON_WORKERS = 60;

const MODES: readonly JoinMode[] = ["complete", "final", "running", "product"];

interface Join {
  readonly mode: JoinMode;
  readonly count: number;
  readonly wait: number;
  readonly windows: Windows;
}

function randomJoin(random: Random): Join {
  const length = 1 + random.below(20);
  const alignTo = random.pick([0, 0, -7, 13, 1_000]);
  const gap = 1 + random.below(8);
  return {
    mode: random.pick(MODES),
    count: 2 + random.below(2),
    wait: random.pick([0, 3, 15, 40, 80, 200]),
    windows: random.pick<Windows>([
      { kind: "tumbling", length, alignTo },
      { kind: "sliding", length, alignTo, offset: 1 + random.below(length) },
      { kind: "session", gap },
      { kind: "session", gap },
    ]),
  };
}

const timeOf = (value: Timed): number => value?.[0] ?? 0;

const clockOf = ({ wait }: Join) => new EventClockConfig<Timed>({ getTime: timeOf, wait });

/** The outcome of one event: a row and its window, or a late value. */
type Outcome =
  | { readonly from: number; readonly to: number; readonly row: unknown[] }
  | { readonly late: Timed };

interface ModelWindow {
  from: number;
  to: number;
  /** In the order they came; where sessions became one, those of the earlier one first. */
  items: Sided[];
}

/** All windows that cover a time, among all that there are. */
function covering(windows: Exclude<Windows, { kind: "session" }>, time: number) {
  const { length, alignTo } = windows;
  const offset = windows.kind === "sliding" ? windows.offset : length;
  const found: { from: number; to: number }[] = [];
  const far = Math.ceil((Math.abs(time - alignTo) + length) / offset);
  for (let n = -far; n <= far; n++) {
    const from = alignTo + n * offset;
    if (from <= time && time < from + length) found.push({ from, to: from + length });
  }
  return found;
}

/** The value of the latest time on each side; of equal times the one that came last. */
const newest = (items: readonly Sided[], count: number) =>
  Array.from({ length: count }, (_, side) => {
    const own = items.filter(([of]) => of === side).map(([, value]) => value);
    const latest = Math.max(...own.map(timeOf));
    return own.findLast((value) => timeOf(value) === latest);
  });

const hasAll = (items: readonly Sided[], count: number) =>
  new Set(items.map(([side]) => side)).size === count;

/** Every choice of one item a side. */
function choices(items: readonly Sided[], count: number): Sided[][] {
  let all: Sided[][] = [[]];
  for (let side = 0; side < count; side++) {
    const own = items.filter(([of]) => of === side);
    all = all.flatMap((start) => own.map((item) => [...start, item]));
  }
  return all;
}

/** What the cases were about: the test fails if they miss one of these. */
const seen = { rows: 0, late: 0, lateForSome: 0, merged: 0 };

/** The outcomes of the events of one key. */
function modelled(
  { mode, count, wait, windows }: Join,
  events: readonly (Sided | "end")[],
): Outcome[][] {
  let watermark = -Infinity;
  let open: ModelWindow[] = [];

  /** The window that now has the item, what it was made of, and the rows of that. */
  const rowsOf = (window: ModelWindow, parts: readonly Sided[][], item: Sided): unknown[][] => {
    window.items = [...parts.flat(), item];
    const { items } = window;
    if (mode === "running") return [newest(items, count)];
    if (mode === "complete" && hasAll(items, count)) {
      window.items = [];
      return [newest(items, count)];
    }
    if (mode !== "product") return [];
    return choices(items, count)
      .filter((choice) => !parts.some((part) => choice.every((each) => part.includes(each))))
      .map((choice) => choice.map(([, value]) => value));
  };

  const take = (item: Sided): Outcome[] => {
    const time = timeOf(item[1]);
    const took: { window: ModelWindow; parts: Sided[][] }[] = [];
    if (windows.kind === "session") {
      const near = open.filter(({ from, to }) => time < to && from < time + windows.gap)
        .sort((a, b) => a.from - b.from);
      const window = {
        from: Math.min(time, ...near.map(({ from }) => from)),
        to: Math.max(time + windows.gap, ...near.map(({ to }) => to)),
        items: [],
      };
      if (window.to > watermark) {
        open = [...open.filter((each) => !near.includes(each)), window];
        took.push({ window, parts: near.map(({ items }) => items) });
        if (near.length > 1) seen.merged++;
      }
    } else {
      const all = covering(windows, time);
      const inTime = all.filter(({ to }) => to > watermark);
      if (inTime.length > 0 && inTime.length < all.length) seen.lateForSome++;
      for (const { from, to } of inTime) {
        let window = open.find((each) => each.from === from && each.to === to);
        if (window === undefined) open.push(window = { from, to, items: [] });
        took.push({ window, parts: [window.items] });
      }
    }
    if (took.length === 0) return [{ late: item[1] }];
    return took.flatMap(({ window, parts }) => {
      const { from, to } = window;
      return rowsOf(window, parts, item).map((row) => ({ from, to, row }));
    });
  };

  const close = (until: number): Outcome[] => {
    const due = open.filter(({ to }) => to <= until).sort((a, b) => a.to - b.to || a.from - b.from);
    open = open.filter((window) => !due.includes(window));
    if (mode !== "final") return [];
    return due.map(({ from, to, items }) => ({ from, to, row: newest(items, count) }));
  };

  return events.map((event) => {
    if (event === "end") {
      watermark = Math.max(watermark, ...open.map(({ to }) => to));
      return close(Infinity);
    }
    watermark = Math.max(watermark, timeOf(event[1]) - wait);
    return [...close(watermark), ...take(event)];
  });
}

/** Values in an order that is more or less that of their times, some of them twice. */
function randomItems(random: Random, length: number, count: number): Sided[] {
  const spread = random.pick([3, 20, 40, 80]);
  const step = random.pick([0, 0, 1, 2]);
  const items: Sided[] = [];
  let at = -random.below(60);
  for (let n = 0; n < length; n++) {
    at += step;
    if (random.below(25) === 0) at += random.pick([-30, 30, 90]);
    const again = items.length > 0 && random.below(8) === 0;
    const side = random.below(count);
    if (again) items.push(random.pick(items));
    else if (random.below(25) === 0) items.push([side, undefined]);
    else items.push([side, [at + random.below(spread), random.pick(["x", "y", null, n])]]);
  }
  // Each an object of its own: the model tells them apart by that.
  return items.map(([side, value]) => [side, value]);
}

/** Rows of a product that one value completes have no order. */
function comparable(mode: JoinMode, outcomes: readonly Outcome[]): unknown[] {
  if (mode !== "product") return [...outcomes];
  const none = (_: string, value: unknown) => value === undefined ? "undefined" : value;
  return outcomes.map((each) => JSON.stringify(each, none)).sort();
}

/** Makes the logic of keys, as a worker does when it starts. */
function logicOf(join: Join): BuildLogic<Sided, WindowEvent, unknown> {
  const begin = windowLogic({
    clock: sidedClock("join", clockOf(join)),
    windower: windowerOf(join.windows),
    fold: joinFold(join.mode, join.count) as never,
  });
  const build = begin(stillScope());
  return (resume, key, _time, resumed) => build(resume, key, resumed) as never;
}

Deno.test(`joinWindow agrees with lists of all values in ${CASES} random cases, with restarts anywhere`, () => {
  for (let seed = 0; seed < CASES; seed++) {
    const random = new Random(seed);
    const join = randomJoin(random);
    const keys = ["a", "b", "c"].slice(random.pick([0, 1, 2, 2]));
    const restarts = random.pick([0, 4, 12]);
    const items = randomItems(random, 1 + random.below(30), join.count);
    const driver = new LogicDriver(logicOf(join));
    const events: Record<string, (Sided | "end")[]> = {};
    const found: Record<string, unknown[][]> = {};
    const note = (key: string, outcomes: readonly Keyed<WindowEvent>[]) =>
      (found[key] ??= []).push(comparable(
        join.mode,
        outcomes.filter(([of]) => of === key).map(([, { late, value, span }]): Outcome =>
          late
            ? { late: (value as Sided)[1] }
            : { from: span!.openAt, to: span!.closeAt, row: value as unknown[] }
        ),
      ));
    const end = () => {
      driver.end();
      const outcomes = driver.out.splice(0);
      for (const key of Object.keys(events)) {
        events[key].push("end");
        note(key, outcomes);
      }
    };
    for (const item of items) {
      if (restarts > 0 && random.below(restarts) === 0) {
        if (random.below(12) === 0) end(); // and the next run goes on
        driver.restart(logicOf(join));
      }
      const key = random.pick(keys);
      (events[key] ??= []).push(item);
      driver.item(key, item);
      note(key, driver.out.splice(0));
    }
    end();
    const about = () => `seed ${seed}: ${JSON.stringify(join)} ${JSON.stringify(events)}`;
    for (const [key, list] of Object.entries(events)) {
      const model = modelled(join, list);
      const expected = model.map((outcomes) => comparable(join.mode, outcomes));
      try {
        assertEquals(found[key], expected);
      } catch (error) {
        throw new Error(`key ${key}, ${about()}`, { cause: error });
      }
      for (const outcome of model.flat()) seen["late" in outcome ? "late" : "rows"]++;
    }
  }
  const enough = seen.rows > 10 * CASES && seen.late > CASES && seen.lateForSome > CASES / 10 &&
    seen.merged > CASES / 10;
  assert(enough, JSON.stringify(seen));
});

/** How many partitions the items of a flow are in, as workers have no common order. */
const PARTS = 4;

/**
 * A first run takes the step's watermark beyond all windows of the items. So what is late depends
 * on the keys' own watermarks, and not on how far the partitions are read beside one another.
 */
const AHEAD: readonly Keyed<Sided>[] = Array.from(
  { length: PARTS },
  (): Keyed<Sided> => ["ahead", [0, [1_000_000, "ahead"]]],
);

interface FlowCase {
  readonly join: Join;
  readonly items: readonly Keyed<Sided>[];
  readonly batchSize: number;
}

/** A key's items, of all sides, are in one part, in the order of `randomItems`. */
function randomCase(random: Random): FlowCase {
  const join = randomJoin(random);
  const own = 1 + random.below(3);
  const length = 30 + random.below(120);
  const lists = Array.from({ length: PARTS * own }, () => randomItems(random, length, join.count));
  const items = Array.from({ length }, (_, n): Keyed<Sided> => {
    const key = n % PARTS + PARTS * random.below(own);
    return [`k${key}`, lists[key].shift()!];
  });
  return { join, items, batchSize: 1 + random.below(30) };
}

interface Outputs {
  readonly windows: ExactOutput<Keyed<[WindowMetadata, unknown[]]>>;
  readonly rows: ExactOutput<Keyed<unknown[]>>;
  readonly late: ExactOutput<Keyed<Timed>>;
}

const outputs = (): Outputs => ({
  windows: new ExactOutput(),
  rows: new ExactOutput(),
  late: new ExactOutput(),
});

function build(
  join: Join,
  items: readonly Keyed<Sided>[],
  input: InputConfig<number>,
  out: Outputs,
) {
  const sided = new Dataflow("join").input("in", input).map((n) => items[n]);
  const { mode, count, windows } = join;
  const rows = joinParts(sided, count, clockOf(join), windowerOf(windows), { mode });
  rows.windows.capture("windows", out.windows as OutputConfig<unknown>);
  rows.late.capture("late", out.late as OutputConfig<unknown>);
  return rows.capture("rows", out.rows as OutputConfig<unknown>);
}

/** Of each key, the rows with their windows, the rows alone, and the late values, in order. */
type Results = Record<"windows" | "rows" | "late", Record<string, unknown[]>>;

function found({ windows, rows, late }: Outputs): Results {
  const spans = windows.items.map(([key, [{ id, openAt, closeAt }, row]]): Keyed<Outcome> => {
    assertEquals(id, `${openAt.toISOString()}/${closeAt.toISOString()}`);
    return [key, { from: openAt.getTime(), to: closeAt.getTime(), row }];
  });
  const own = <V>(pairs: readonly Keyed<V>[]) => byKey(pairs.filter(([key]) => key !== "ahead"));
  return { windows: own(spans), rows: own(rows.items), late: own(late.items) };
}

function expected({ join, items }: FlowCase): Results {
  const [windows, rows, late]: Keyed<unknown>[][] = [[], [], []];
  for (const [key, list] of Object.entries(byKey(items))) {
    for (const outcome of modelled(join, [...list, "end"]).flat()) {
      if ("late" in outcome) late.push([key, outcome.late]);
      else {
        windows.push([key, outcome]);
        rows.push([key, outcome.row]);
      }
    }
  }
  return { windows: byKey(windows), rows: byKey(rows), late: byKey(late) };
}

/**
 * Without the order in a key: an output holds nothing about the order of its items on other
 * workers.
 */
function unordered(results: Results) {
  return Object.entries(results).map(([name, keys]) => [
    name,
    Object.entries(keys).map(([key, list]) => [key, list.map((each) => Deno.inspect(each)).sort()])
      .sort(),
  ]);
}

Deno.test("a flow with joinWindow agrees with lists of all values, when it fails anywhere, again and again", async () => {
  let resumes = 0;
  for (let seed = 0; seed < ALONE; seed++) {
    const random = new Random(seed);
    const each = randomCase(random);
    const items = [...AHEAD, ...each.items];
    const count = items.length;
    const out = outputs();
    const recovery = new WatchedRecovery();
    const first = numbers(PARTS, each.batchSize, { parts: PARTS });
    await run(build(each.join, items, first, out), { recovery });
    for (let failures = 0;; failures++) {
      const failAfter = failures < 4 ? 1 + random.below(count) : Infinity;
      const input = numbers(count, each.batchSize, { parts: PARTS, failAfter });
      const clock = new TestClock(1_000_000); // stands still: no time is quiet
      try {
        await run(build(each.join, items, input, out), {
          recovery,
          clock,
          epoch: { interval: 0 },
        });
        break;
      } catch (error) {
        assertEquals((error as StepError).stepId, "in", `seed ${seed}: ${error}`);
        if (recovery.epoch !== null && recovery.epoch > 0) resumes++;
      }
    }
    const about = `seed ${seed}: ${JSON.stringify(each)}`;
    if (each.join.mode === "product") {
      assertEquals(unordered(found(out)), unordered(expected(each)), about);
    } else assertEquals(found(out), expected(each), about);
  }
  assert(resumes > ALONE / 2, `only ${resumes} runs went on after a snapshot in their middle`);
});

Deno.test("a flow with joinWindow on 1 to 3 workers, which fail and stop, comes to the same rows", async () => {
  let resumes = 0;
  for (let seed = 0; seed < ON_WORKERS; seed++) {
    const random = new Random(1_000_000 + seed);
    const each = randomCase(random);
    const items = [...AHEAD, ...each.items];
    const count = items.length;
    const out = outputs();
    const recovery = new WatchedRecovery();
    const clock = new TestClock(1_000_000);
    const counts: number[] = [];
    const first = numbers(PARTS, each.batchSize, { parts: PARTS });
    await runWorkers(build(each.join, items, first, out), 1 + random.below(3), { recovery, clock });
    const about = () => `seed ${seed}: workers ${counts}, ${JSON.stringify(each)}`;
    for (let left = 4; left >= 0; left--) {
      const failAfter = left > 0 ? 1 + random.below(count / 2) : Infinity;
      const stopAfter = random.below(4) * 3;
      const stops = left > 0 && random.below(2) === 0;
      counts.push(1 + random.below(3));
      await runWorkers(
        build(each.join, items, numbers(count, each.batchSize, { parts: PARTS, failAfter }), out),
        counts.at(-1)!,
        {
          recovery,
          clock,
          epochMs: 0,
          onRunning: (run) => {
            if (stops) setTimeout(() => run.stop(), stopAfter);
          },
        },
      ).catch((error) => assertEquals(error.stepId, "in", `${about()}: ${error}`));
      clock.advance(3_600_000); // nor does the time between runs count
      if (left > 0 && recovery.epoch !== null && recovery.epoch > 0) resumes++;
    }
    assertEquals(unordered(found(out)), unordered(expected(each)), about());
  }
  assert(resumes > ON_WORKERS, `only ${resumes} runs went on after a snapshot in their middle`);
});
