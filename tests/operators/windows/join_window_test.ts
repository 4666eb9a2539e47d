/** Joins within windows, by example; `join_window_property_test.ts` joins at random. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  FlowDefinitionError,
  type JoinMode,
  type JoinWindowOptions,
  type Keyed,
  run,
  SessionWindowConfig,
  SlidingWindowConfig,
  StepError,
  SystemClockConfig,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
  type WindowClock,
  type Windower,
} from "../../../mod.ts";
import { joinFold } from "../../../src/operators/windows/join_fold.ts";
import { runByHand } from "../../support/runtime/manual_run.ts";
import { collect, failure, mistaken, pairs } from "../../support/runtime/collect.ts";
import { joinParts, type Sided, type Timed } from "../../support/windows/join_parts.ts";
import { byKey } from "../../support/runtime/logic_driver.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";

const MODES: readonly JoinMode[] = ["complete", "final", "running", "product"];

const tens = new TumblingWindowConfig({ length: 10 });

/** The time of values that say it; others are of time 0. */
const clockOf = (wait: number) =>
  new EventClockConfig<Timed>({ getTime: (value) => value?.[0] ?? 0, wait });

/** The rows of a join, without the times of the values. */
interface Joined {
  readonly windows: unknown[];
  readonly late: unknown[];
}

const nameOf = (value: unknown) => (value as Timed)?.[1];

/** The rows of key `a`, as `openAt-closeAt: names`, and the late names. */
async function joined(
  mode: JoinMode,
  windower: Windower,
  wait: number,
  ...items: [side: number, time: number, name: string][]
): Promise<Joined> {
  const count = 1 + Math.max(1, ...items.map(([side]) => side));
  const input = items.map(([side, time, name]): Keyed<Sided> => ["a", [side, [time, name]]]);
  const events = await collect(input, (s) => {
    const rows = joinParts(s, count, clockOf(wait), windower, { mode });
    return rows.windows.map(([, [{ openAt, closeAt }, row]]): [string, string] => [
      "windows",
      `${openAt.getTime()}-${closeAt.getTime()}: ${row.map(nameOf).map((n) => n ?? "-").join(" ")}`,
    ]).merge(rows.late.map(([, value]): [string, string] => ["late", nameOf(value) as string]));
  });
  return { windows: [], late: [], ...byKey(events) };
}

Deno.test("joinWindow in mode final emits a row a window when it closes, with the newest of each side", async () => {
  const out = await joined("final", tens, 0, [0, 1, "a"], [1, 2, "x"], [0, 3, "b"], [0, 10, "c"], [
    1,
    25,
    "y",
  ], [0, 12, "d"]);
  assertEquals(out, { windows: ["0-10: b x", "10-20: c -", "20-30: - y"], late: ["d"] });
});

Deno.test("joinWindow is final unless it is given a mode", async () => {
  const input = pairs<Sided>(["a", [0, [1, "a"]]], ["a", [0, [2, "b"]]]);
  const out = await collect(input, (s) => joinParts(s, 2, clockOf(0), tens));
  assertEquals(out, [["a", [[2, "b"], undefined]]]);
});

Deno.test("joinWindow treats the value of the latest time as the newest, whichever came last", async () => {
  const out = await joined("final", tens, 9, [0, 8, "a"], [0, 1, "b"], [1, 5, "x"]);
  assertEquals(out.windows, ["0-10: a x"]);
  const equal = await joined("final", tens, 9, [0, 8, "a"], [0, 8, "b"], [1, 5, "x"]);
  assertEquals(equal.windows, ["0-10: b x"]); // of equal times, the one that came last
});

Deno.test("joinWindow has the same newest value, whether or not sessions merge", async () => {
  const items: [number, number, string][] = [[0, 12, "at 12"], [0, 0, "at 0"], [1, 6, "x"]];
  for (const [gap, closeAt] of [[10, 22], [15, 27]]) { // two sessions that x joins, and one
    const windower = new SessionWindowConfig({ gap });
    const out = await joined("final", windower, 100, ...items);
    assertEquals(out.windows, [`0-${closeAt}: at 12 x`]);
    const complete = await joined("complete", windower, 100, ...items);
    assertEquals(complete.windows, [`0-${closeAt}: at 12 x`]);
    const running = await joined("running", windower, 100, ...items);
    assertEquals(running.windows.at(-1), `0-${closeAt}: at 12 x`);
  }
});

Deno.test("joinWindow in mode running emits a row at a value that is older than the newest, without it", async () => {
  const out = await joined("running", tens, 9, [0, 8, "a"], [1, 5, "x"], [0, 1, "b"], [1, 6, "y"]);
  assertEquals(out.windows, ["0-10: a -", "0-10: a x", "0-10: a x", "0-10: a y"]);
});

Deno.test("joinWindow in mode complete emits a row once each side has a value, and starts the window over", async () => {
  const out = await joined(
    "complete",
    tens,
    5,
    [0, 1, "a"],
    [0, 2, "b"],
    [1, 3, "x"], // b x
    [1, 4, "y"], // of a new row
    [1, 11, "z"], // of another window
    [0, 9, "c"], // c y
    [0, 12, "d"], // d z
    [0, 13, "e"],
    [0, 30, "f"],
    [1, 14, "w"], // late: e finds no partner
  );
  assertEquals(out, { windows: ["0-10: b x", "0-10: c y", "10-20: d z"], late: ["w"] });
});

Deno.test("joinWindow in mode running emits a row at every value", async () => {
  const out = await joined("running", tens, 0, [0, 1, "a"], [1, 2, "x"], [0, 3, "b"], [
    1,
    11,
    "y",
  ], [0, 4, "c"]);
  assertEquals(out, {
    windows: ["0-10: a -", "0-10: a x", "0-10: b x", "10-20: - y"],
    late: ["c"],
  });
});

Deno.test("joinWindow in mode product emits each combination of a window's values once", async () => {
  const out = await joined(
    "product",
    tens,
    5,
    [0, 1, "a"],
    [0, 2, "b"],
    [1, 3, "x"],
    [1, 11, "y"],
    [0, 4, "c"],
    [1, 3, "x"], // the same again is another value
    [0, 19, "d"],
    [1, 4, "z"], // late
  );
  assertEquals(out, {
    windows: [
      "0-10: a x",
      "0-10: b x",
      "0-10: c x",
      "0-10: a x",
      "0-10: b x",
      "0-10: c x",
      "10-20: d y",
    ],
    late: ["z"],
  });
});

Deno.test("joinWindow joins in each of the sliding windows that a value is in and that are open", async () => {
  const sliding = new SlidingWindowConfig({ length: 10, offset: 5 });
  const items: [number, number, string][] = [
    [0, 3, "a"], // windows: -5 to 5, 0 to 10.
    [1, 6, "x"], // 0 to 10, 5 to 15. It closes the first.
    [0, 4, "b"], // Late for that, and not for the second.
    [1, 12, "y"], // 5 to 15, 10 to 20. It closes the second.
  ];
  const of = async (mode: JoinMode) => await joined(mode, sliding, 0, ...items);
  assertEquals(await of("final"), {
    windows: ["-5-5: a -", "0-10: b x", "5-15: - y", "10-20: - y"],
    late: [],
  });
  assertEquals((await of("complete")).windows, ["0-10: a x"]);
  assertEquals((await of("product")).windows, ["0-10: a x", "0-10: b x"]);
  assertEquals((await of("running")).windows, [
    "-5-5: a -",
    "0-10: a -",
    "0-10: a x",
    "5-15: - x",
    "0-10: b x",
    "5-15: - y",
    "10-20: - y",
  ]);
});

const sessions = new SessionWindowConfig({ gap: 10 });

/** Two sessions, 0 to 13 and 16 to 30, that the last value joins. */
const merging: [number, number, string][] = [
  [0, 0, "a"],
  [1, 3, "x"],
  [0, 20, "c"],
  [0, 16, "b"],
];

Deno.test("joinWindow in mode product emits each combination once when sessions merge", async () => {
  const out = await joined("product", sessions, 100, ...merging, [1, 9, "y"]);
  assertEquals(out.windows.toSorted(), [
    "0-13: a x", // before
    "0-30: a y",
    "0-30: b x", // of both sessions
    "0-30: b y",
    "0-30: c x",
    "0-30: c y",
  ]);
});

Deno.test("joinWindow in mode product combines three sides over two sessions", async () => {
  const out = await joined(
    "product",
    sessions,
    100,
    [0, 0, "a"],
    [1, 1, "x"],
    [2, 2, "1"],
    [0, 16, "b"],
    [1, 17, "y"],
    [2, 18, "2"],
    [0, 9, "c"],
  );
  const all = ["a", "b", "c"].flatMap((l) =>
    ["x", "y"].flatMap((m) => ["1", "2"].map((r) => `${l} ${m} ${r}`))
  );
  assertEquals(out.windows.map((row) => `${row}`.split(": ")[1]).toSorted(), all);
  assertEquals(out.windows.slice(0, 2), ["0-12: a x 1", "16-28: b y 2"]);
});

Deno.test("joinWindow in mode final keeps the value of the later session if both have one", async () => {
  // The earlier session is the one whose value came last.
  const out = await joined("final", sessions, 100, [0, 20, "later"], [1, 10, "x"], [
    0,
    4,
    "earlier",
  ], [1, 12, "y"]);
  assertEquals(out.windows, ["4-30: later y"]);
  const onlyEarlier = await joined("final", sessions, 100, [0, 0, "a"], [1, 14, "x"], [1, 7, "y"]);
  assertEquals(onlyEarlier.windows, ["0-24: a x"]);
});

Deno.test("joinWindow in mode running emits one row at the value that joins two sessions", async () => {
  const out = await joined("running", sessions, 100, ...merging, [1, 9, "y"]);
  assertEquals(out.windows, ["0-10: a -", "0-13: a x", "20-30: c -", "16-30: c -", "0-30: c y"]);
});

Deno.test("joinWindow in mode complete completes a row with the values of two sessions", async () => {
  const out = await joined("complete", sessions, 100, [0, 0, "a"], [1, 14, "x"], [2, 7, "1"], [
    2,
    8,
    "2",
  ]);
  assertEquals(out.windows, ["0-24: a x 1"]);
  const begunAnew = await joined("complete", sessions, 100, [0, 0, "a"], [1, 1, "x"], [
    1,
    16,
    "y",
  ], [0, 9, "b"]);
  assertEquals(begunAnew.windows, ["0-11: a x", "0-26: b y"]);
});

Deno.test("joinWindow emits late values as the plain value of its side", async () => {
  const input = pairs<Sided>(
    ["a", [0, [100, "now"]]],
    ["a", [2, [3, "z"]]],
    ["a", [0, [1, "a"]]],
    ["b", [1, [2, "in time"]]],
    ["a", [1, [2, "x"]]],
    ["a", [1, undefined]],
  );
  for (const mode of MODES) {
    const late = await collect(input, (s) => joinParts(s, 3, clockOf(0), tens, { mode }).late);
    assertEquals(late, [["a", [3, "z"]], ["a", [1, "a"]], ["a", [2, "x"]], ["a", undefined]], mode);
  }
});

Deno.test("joinWindow counts what is late, and names its streams", async () => {
  const items = new Dataflow("names").input(
    "in",
    new TestingInputConfig<Keyed<number>>([["a", 50], ["a", 1]]),
  );
  const clock = new EventClockConfig({ getTime: (n: number) => n, wait: 0 });
  const rows = items.joinWindow("twice", clock, tens, items);
  rows.late.capture("out", new TestingOutputConfig<unknown>([]));
  const { steps } = await run(rows);
  assertEquals(steps.map(({ stepId, in: taken, out }) => [stepId, taken, out]), [
    ["in", 0, 2],
    ["twice-side-1", 2, 2],
    ["twice-side-2", 2, 2],
    ["twice-sides", 4, 4],
    ["twice", 4, 3],
    ["twice.late", 3, 2],
    ["twice.results", 3, 1],
    ["out", 2, 0],
  ]);
});

Deno.test("joinWindow tells the window of each row", async () => {
  const input = pairs<Sided>(["a", [0, [-1, "a"]]], ["a", [1, [-3, "x"]]]);
  for (const mode of MODES) {
    const out = await collect(
      input,
      (s) => joinParts(s, 2, clockOf(5), tens, { mode }).windows,
    );
    assertEquals(out.at(-1), ["a", [
      {
        id: "1969-12-31T23:59:59.990Z/1970-01-01T00:00:00.000Z",
        openAt: new Date(-10),
        closeAt: new Date(0),
      },
      [[-1, "a"], [-3, "x"]],
    ]], mode);
  }
});

Deno.test("joinWindow accepts undefined as a value, which differs from none", async () => {
  const of = (mode: JoinMode, ...items: Keyed<Sided>[]) =>
    collect(items, (s) => joinParts(s, 2, clockOf(0), tens, { mode }));
  const [left, right] = pairs<Sided>(["a", [0, undefined]], ["a", [1, undefined]]);
  const row = ["a", [undefined, undefined]] as const;
  for (const mode of ["complete", "product"] as const) {
    assertEquals(await of(mode, left, right), [row], mode);
    assertEquals(await of(mode, left), [], mode);
  }
  assertEquals(await of("running", left, right), [row, row]);
  assertEquals(await of("final", left), [row]);
  // The newer `undefined` counts, also against a value of the earlier session.
  const over = await collect(
    pairs<Sided>(["a", [0, [-14, "a"]]], ["a", [0, undefined]], ["a", [1, [-7, "x"]]]),
    (s) => joinParts(s, 2, clockOf(100), sessions, { mode: "final" }),
  );
  assertEquals(over, [["a", [undefined, [-7, "x"]]]]);
});

Deno.test("joinWindow keeps keys apart, and accepts one stream, several inputs, and itself", async () => {
  const flow = new Dataflow("streams");
  const input = <V>(id: string, ...items: Keyed<V>[]) =>
    flow.input(id, new TestingInputConfig(items));
  const clock = new EventClockConfig<[at: number, value: unknown]>({
    getTime: ([at]) => at,
    wait: 9,
  });
  const names = input<[number, string]>("names", ["1", [0, "Ada"]], ["2", [5, "Grace"]]);
  const ages = input<[number, number]>("ages", ["2", [6, 85]], ["1", [12, 36]]);
  const one: Keyed<unknown>[] = [];
  names.joinWindow("one", clock, tens, ages).capture(new TestingOutputConfig(one));
  const several: Keyed<unknown>[] = [];
  names.joinWindow("several", clock, tens, [ages, names], { mode: "complete" })
    .capture(new TestingOutputConfig(several));
  await run(flow);
  const rows = byKey(one);
  assertEquals(rows[1], [[[0, "Ada"], undefined], [undefined, [12, 36]]]);
  assertEquals(rows[2], [[[5, "Grace"], [6, 85]]]);
  assertEquals(several, [["2", [[5, "Grace"], [6, 85], [5, "Grace"]]]]);
});

Deno.test("joinWindow accepts the results of a window step, and another accepts its own", async () => {
  const input = pairs<Sided>(
    ["a", [0, [1, "a"]]],
    ["a", [1, [2, "x"]]],
    ["a", [0, [12, "b"]]],
    ["a", [1, [13, "y"]]],
  );
  const out = await collect(input, (s) => {
    const newest = joinParts(s, 2, clockOf(5), tens, { mode: "complete" })
      .mapValue(([left]) => left as readonly [number, unknown]);
    return newest.joinWindow("again", clockOf(5), tens, newest)
      .countWindow("count", clockOf2, new TumblingWindowConfig({ length: 100 }));
  });
  assertEquals(out, [["a", 2]]);
});

const clockOf2 = new EventClockConfig<unknown[]>({
  getTime: ([left]) => (left as [number, unknown])[0],
  wait: 0,
});

Deno.test("joinWindow goes by the system's time with a system clock: nothing is late", async () => {
  for (const mode of MODES) {
    const out: Record<string, unknown[]> = {};
    const by = await runByHand((items: Dataflow<Keyed<Sided>>) =>
      joinParts(items, 2, new SystemClockConfig(), new TumblingWindowConfig({ length: 1_000 }), {
        mode,
      })
    );
    await by.push(["a", [0, [9, "a"]]]);
    await by.advance(999);
    await by.push(["a", [1, [1, "x"]]]);
    out.before = by.out.splice(0).map(([, row]) => row.map(nameOf));
    await by.advance(1);
    out.closed = by.out.splice(0).map(([, row]) => row.map(nameOf));
    await by.push(["a", [1, [2, "y"]]]);
    await by.end();
    out.end = by.out.map(([, row]) => row.map(nameOf));
    const expected: Record<JoinMode, unknown> = {
      complete: { before: [["a", "x"]], closed: [], end: [] },
      final: { before: [], closed: [["a", "x"]], end: [[undefined, "y"]] },
      running: { before: [["a", undefined], ["a", "x"]], closed: [], end: [[undefined, "y"]] },
      product: { before: [["a", "x"]], closed: [], end: [] },
    };
    assertEquals(out, expected[mode] as typeof out, mode);
  }
});

Deno.test("joinWindow keeps open windows over a stop, and the watermark of what has closed", async () => {
  const recovery = new WatchedRecovery();
  for (const mode of MODES) {
    await recovery.drop();
    const late: unknown[] = [];
    const start = () =>
      runByHand(
        (items: Dataflow<Keyed<Sided>>) => {
          const rows = joinParts(items, 2, clockOf(0), tens, { mode });
          rows.late.capture("late", new TestingOutputConfig(late));
          return rows;
        },
        { recovery },
      );
    const first = await start();
    await first.push(["a", [0, [1, "a"]]], ["a", [0, [12, "b"]]], ["a", [0, [13, "c"]]]);
    await first.stop();
    const second = await start();
    await second.push(["a", [1, [2, "w"]]], ["a", [1, [14, "x"]]]);
    await second.end();
    const expected: Record<JoinMode, string[][]> = {
      complete: [["c", "x"]],
      final: [["c", "x"]],
      running: [["c", "x"]],
      product: [["b", "x"], ["c", "x"]],
    };
    assertEquals(second.out.map(([, row]) => row.map(nameOf)), expected[mode], mode);
    assertEquals(late, [["a", [2, "w"]]], mode);
  }
});

Deno.test("joinWindow accepts the windows of another mode", async () => {
  const recovery = new WatchedRecovery();
  const start = (mode: JoinMode) =>
    runByHand(
      (items: Dataflow<Keyed<Sided>>) => joinParts(items, 2, clockOf(0), tens, { mode }),
      { recovery },
    );
  const product = await start("product");
  await product.push(["a", [0, [2, "b"]]], ["a", [0, [1, "a"]]], ["a", [0, [0, "c"]]]);
  await product.stop();
  const final = await start("final");
  await final.push(["a", [1, [3, "x"]]]);
  await final.end();
  assertEquals(final.out, [["a", [[2, "b"], [3, "x"]]]]);
});

Deno.test("joinWindow refuses windows of an earlier version, which had no times", () => {
  const { check } = joinFold("final", 2);
  assertThrows(
    () => check!(mistaken([[["a"]], [[]]])),
    TypeError,
    "the snapshot of joinWindow is of an earlier version, without the times of values",
  );
});

Deno.test("joinWindow refuses windows of another number of streams", async () => {
  const recovery = new WatchedRecovery();
  const start = (count: number) =>
    runByHand(
      (items: Dataflow<Keyed<Sided>>) => joinParts(items, count, clockOf(0), tens),
      { recovery },
    );
  const first = await start(2);
  await first.push(["a", [0, [1, "a"]]]);
  await first.stop();
  const error = await assertRejects(() => start(3), StepError) as StepError;
  assertEquals([error.stepId, error.item], ["join", `{ key: "a" }`]);
  assertEquals(
    (error.cause as Error).message,
    `the snapshot is of a join of 2 streams, and there are 3 now: values cannot be matched with ` +
      `streams, so give the step another id to start over`,
  );
});

const items = () =>
  new Dataflow("f").input("in", new TestingInputConfig(pairs<Timed>(["a", [1, "a"]])));

Deno.test("joinWindow refuses an unknown mode, and other options such as ttl", () => {
  const stream = items();
  const join = (options: unknown) =>
    stream.joinWindow("paid", clockOf(0), tens, stream, mistaken<JoinWindowOptions>(options));
  for (const [mode, shown] of [["outer", `"outer"`], [null, "null"], [5, "5"]]) {
    assertThrows(
      () => join({ mode }),
      TypeError,
      `mode of joinWindow "paid" must be one of "complete", "final", "running", "product"; ` +
        `got ${shown}`,
    );
  }
  assertThrows(
    () => join({ mode: "final", ttl: 5_000 }),
    TypeError,
    `joinWindow "paid" has no option "ttl"; it has: mode`,
  );
  assertThrows(
    () => join("final"),
    TypeError,
    `joinWindow "paid" accepts its options as an object (it has: mode); got "final"`,
  );
});

Deno.test("joinWindow refuses sides that are none, with an example", () => {
  const stream = items();
  const join = (sides: unknown) =>
    stream.joinWindow("paid", clockOf(0), tens, mistaken<typeof stream>(sides));
  assertThrows(
    () => join([]),
    TypeError,
    `joinWindow "paid" needs a keyed stream to join with, such as ` +
      `orders.joinWindow("paid", clock, windower, [payments, refunds])`,
  );
  for (const sides of [undefined, null, 5, "items", {}, [stream, null], [[stream]], tens]) {
    assertThrows(
      () => join(sides),
      TypeError,
      `joinWindow "paid" needs a keyed stream, or an array of them, such as ` +
        `orders.joinWindow("paid", clock, windower, [payments, refunds]); got `,
    );
  }
  const root = new Dataflow("f");
  assertThrows(
    () => (root as unknown as typeof stream).joinWindow("paid", clockOf(0), tens, stream),
    FlowDefinitionError,
    `joinWindow "paid" was called on the root of flow "f"`,
  );
  assertThrows(
    () => stream.joinWindow("paid", clockOf(0), tens, [items()]),
    FlowDefinitionError,
    `cannot join a stream of flow "f" into flow "f": start both with .input on the same Dataflow`,
  );
});

Deno.test("joinWindow refuses what is not a clock or a windower", () => {
  const stream = items();
  for (const clock of [undefined, null, {}, tens, { kind: "event" }, { kind: "sun" }]) {
    assertThrows(
      () => stream.joinWindow("paid", mistaken<WindowClock<Timed>>(clock), tens, stream),
      TypeError,
      `joinWindow "paid" must be given a clock (new EventClockConfig({ getTime, wait }) or ` +
        `new SystemClockConfig()); got `,
    );
  }
  for (const windower of [undefined, null, {}, clockOf(0), { overlap: "never" }]) {
    assertThrows(
      () => stream.joinWindow("paid", clockOf(0), mistaken<Windower>(windower), stream),
      TypeError,
      `window step "paid" must be given a windower, such as new TumblingWindowConfig({ length }); got `,
    );
  }
});

Deno.test("joinWindow names itself where a value has no time, and a side where items have no keys", async () => {
  const noTime = new EventClockConfig({ getTime: () => mistaken<number>("noon"), wait: 0 });
  const { stepId, error } = await failure(
    pairs<Sided>(["a", [1, [1, "x"]]]),
    (s) => joinParts(s, 2, noTime, tens),
  );
  assertEquals(stepId, "join");
  assertEquals(
    error,
    `TypeError: getTime must return a valid Date, milliseconds since the Unix epoch or a ` +
      `Temporal.Instant; got "noon"`,
  );
  const noKey = await failure(["x"], (s) => {
    const side = s as unknown as Dataflow<Keyed<string>>;
    return s.keyOn((text) => text).joinWindow("paid", new SystemClockConfig(), tens, side);
  });
  assertEquals([noKey.stepId, noKey.item], ["paid-side-2", `"x"`]);
});
