/**
 * What a window makes of its values in whichever order they come, and however its sessions grew
 * together.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type BuildLogic,
  EventClockConfig,
  SessionWindowConfig,
  SlidingWindowConfig,
  TumblingWindowConfig,
  type Windower,
} from "../../../mod.ts";
import {
  collectFold,
  extremeFold,
  reduceFold,
} from "../../../src/operators/windows/window_folds.ts";
import { type WindowEvent, windowLogic } from "../../../src/operators/windows/window_logic.ts";
import type { WindowFold } from "../../../src/windows/window_fold.ts";
import { mistaken } from "../../support/runtime/collect.ts";
import { LogicDriver } from "../../support/runtime/logic_driver.ts";
import { Random } from "../../support/values/random.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

interface Value {
  readonly time: number;
  readonly rank: number;
  readonly name: string;
}

/** Two of the highest rank and two of the lowest, in no order of time; two of the same time. */
const VALUES: readonly Value[] = [
  { time: 12, rank: 3, name: "high at 12" },
  { time: 0, rank: 3, name: "high at 0" },
  { time: 6, rank: 2, name: "middle" },
  { time: 18, rank: 1, name: "low at 18" },
  { time: 6, rank: 1, name: "low at 6" },
];

/** Every order of the values. */
function ordersOf<T>(values: readonly T[]): T[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, at) =>
    ordersOf(values.toSpliced(at, 1)).map((others) => [value, ...others])
  );
}

/** The results of the windows of a key that takes the values in this order. */
function resultsOf<A, R>(
  values: readonly Value[],
  windower: Windower,
  fold: WindowFold<Value, A, R>,
  restartsAt: number,
): unknown[] {
  const clock = new EventClockConfig<Value>({ getTime: ({ time }) => time, wait: 1_000 });
  const begin = () => {
    const build = windowLogic({ clock, windower, fold })(stillScope());
    const logic: BuildLogic<Value, WindowEvent, unknown> = (resume, key, _time, resumed) =>
      build(resume, key, resumed) as never;
    return logic;
  };
  const driver = new LogicDriver(begin());
  for (const [at, value] of values.entries()) {
    if (at === restartsAt) driver.restart(begin());
    driver.item("key", value);
  }
  driver.end();
  return driver.out.map(([, { span, value }]) => [span!.openAt, span!.closeAt, value]);
}

const byRank = (a: Value, b: Value) => a.rank - b.rank;
const byTime = (a: Value, b: Value) => a.time - b.time;

// With a gap of 5 they are four sessions, with 7 all are one, which most orders put together from
// several.
const WINDOWERS: readonly Windower[] = [
  new SessionWindowConfig({ gap: 5 }),
  new SessionWindowConfig({ gap: 7 }),
  new SessionWindowConfig({ gap: 15 }),
  new TumblingWindowConfig({ length: 20 }),
  new SlidingWindowConfig({ length: 20, offset: 10 }),
];

Deno.test("maxWindow and minWindow choose the first by time of equals, in every order of the values", () => {
  for (const windower of WINDOWERS) {
    for (const [at, values] of ordersOf(VALUES).entries()) {
      const windows = resultsOf(values, windower, collectFold<Value>(), at % 7);
      for (const [step, sign] of [["maxWindow", 1], ["minWindow", -1]] as const) {
        const best = windows.map((window) => {
          const [openAt, closeAt, inside] = window as [number, number, Value[]]; // by time
          const top = Math.max(...inside.map(({ rank }) => rank * sign));
          return [openAt, closeAt, inside.find(({ rank }) => rank * sign === top)];
        });
        assertEquals(resultsOf(values, windower, extremeFold(step, byRank), at % 7), best);
      }
    }
  }
});

Deno.test("maxWindow and minWindow choose the one that came first of equals of one time", () => {
  const equal = ["a", "b", "c"].map((name) => ({ time: 4, rank: 1, name }));
  for (const values of ordersOf(equal)) {
    for (const step of ["maxWindow", "minWindow"] as const) {
      const [[, , best]] = resultsOf(
        values,
        WINDOWERS[1],
        extremeFold(step, byRank),
        1,
      ) as Value[][];
      assertEquals(best, values[0]);
    }
  }
});

Deno.test("collectWindow sorts values by time, and those of one time by arrival, in every order", () => {
  for (const [at, values] of ordersOf(VALUES).entries()) {
    const windower = WINDOWERS[1];
    const [[openAt, closeAt, list]] = resultsOf(
      values,
      windower,
      collectFold<Value>(),
      at % 7,
    ) as unknown[][];
    assertEquals([openAt, closeAt], [0, 25]);
    assertEquals(list, values.toSorted(byTime)); // which is stable
  }
});

Deno.test("reduceWindow passes its reducer the result of the earlier session first, in every order", () => {
  const reduce = reduceFold<Value>((a, b) => ({
    time: Math.min(a.time, b.time),
    rank: Math.max(a.time, a.rank, b.time, b.rank),
    name: `(${a.name}+${b.name})`,
  }));
  let merged = 0;
  for (const [at, values] of ordersOf(VALUES.filter(({ name }) => name !== "low at 6")).entries()) {
    const alone = resultsOf(values.slice(0, -1), WINDOWERS[1], reduce, at % 7) as unknown[][];
    const results = resultsOf(values, WINDOWERS[1], reduce, at % 7) as unknown[][];
    assertEquals(results.length, 1);
    // What was there before the last value came, by time, and then that value.
    const parts = alone.map(([, , part]) => (part as Value).name);
    const sessions = parts.reduce((earlier, later) => `(${earlier}+${later})`);
    assertEquals((results[0][2] as Value).name, `(${sessions}+${values.at(-1)!.name})`);
    if (parts.length > 1) merged++;
  }
  assert(merged > 5, `${merged}`);
});

Deno.test("maxWindow refuses a snapshot of an earlier version, which had no time", () => {
  const { check } = extremeFold("maxWindow", byRank);
  for (const acc of [VALUES[0], 7, null, undefined]) {
    assertThrows(
      () => check!(mistaken(acc)),
      TypeError,
      "the snapshot of maxWindow is of an earlier version",
    );
  }
});

Deno.test("maxWindow comes to the same in every order of many random values", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const times = new Set(Array.from({ length: 12 }, () => random.below(80)));
    const values = [...times].map((time): Value => ({ time, rank: random.below(3), name: "" }));
    const windower = random.pick(WINDOWERS);
    const fold = extremeFold<Value>("maxWindow", byRank);
    const restartsAt = random.below(20);
    assertEquals(
      resultsOf(values, windower, fold, restartsAt),
      resultsOf(values.toSorted(byTime), windower, fold, restartsAt),
      `seed ${seed}: ${JSON.stringify(values)}`,
    );
  }
});
