import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  FlowDefinitionError,
  type Keyed,
  run,
  SessionWindowConfig,
  SlidingWindowConfig,
  StepError,
  SystemClockConfig,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
  type WindowedDataflow,
  type Windower,
  type WindowMetadata,
} from "../../../mod.ts";
import { collect, failure, mistaken, pairs } from "../../support/runtime/collect.ts";
import { HandInput } from "../../support/runtime/hand_input.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";
import { eventually, idle } from "../../support/eventually.ts";

interface Value {
  readonly t: number;
  readonly v: number;
}

const clock = new EventClockConfig({ getTime: ({ t }: Value) => t, wait: 0 });
const tumbling = new TumblingWindowConfig({ length: 10 });
const sliding = new SlidingWindowConfig({ length: 10, offset: 5 });
const sessions = new SessionWindowConfig({ gap: 10 });

const at = (t: number, v: number, key = "a"): Keyed<Value> => [key, { t, v }];
const ITEMS = pairs(at(1, 5), at(3, 7), at(1, 1, "b"), at(9, 6), at(12, 2), at(5, 100), at(25, 3));

Deno.test("reduceWindow: the first value is the accumulator, and the last one the result", async () => {
  const reduce = (windower: Windower) =>
    collect(
      ITEMS,
      (s) =>
        s.reduceWindow("w", clock, windower, (a, b) => ({ t: b.t, v: a.v * 10 + b.v }))
          .mapValue(({ v }) => v),
    );
  assertEquals(await reduce(tumbling), [["a", 576], ["a", 2], ["a", 3], ["b", 1]]);
  assertEquals(await reduce(sliding), [
    ["a", 57],
    ["a", 576],
    ["a", 720], // 6, 2, and 100, which is late for one of its windows only
    ["a", 2],
    ["a", 3],
    ["a", 3],
    ["b", 1],
    ["b", 1],
  ]);
  assertEquals(await reduce(sessions), [["a", 57_720], ["a", 3], ["b", 1]]);
});

Deno.test("foldWindow builds an accumulator for each window, and merges those of sessions, the earlier first", async () => {
  let built = 0;
  const out = await collect(
    pairs(at(0, 1), at(15, 2), at(8, 3), at(40, 4)),
    (s) =>
      s.foldWindow(
        "w",
        new EventClockConfig({ getTime: ({ t }: Value) => t, wait: 100 }),
        sessions,
        () => {
          built++;
          return [] as unknown[];
        },
        (list, { v }) => [...list, v],
        (earlier, later) => [[...earlier], later],
      ),
  );
  assertEquals(out, [["a", [[1], [2], 3]], ["a", [4]]]);
  assertEquals(built, 3 * 3); // for each of three runs
});

Deno.test("foldWindow over sessions must be given a merger, before anything runs", () => {
  const step = (merger?: unknown) => () =>
    new Dataflow("f").input("in", new TestingInputConfig(ITEMS))
      .foldWindow("w", clock, sessions, () => 0, (a) => a, mistaken<(a: number) => number>(merger));
  assertThrows(step(), TypeError, "foldWindow over sessions must be given a merger");
  assertThrows(step(7), TypeError, "merger");
});

Deno.test("foldWindow refuses a merger that returns nothing", async () => {
  const out = collect(
    pairs(at(0, 1), at(15, 2), at(8, 3)),
    (s) =>
      s.foldWindow(
        "w",
        new EventClockConfig({ getTime: ({ t }: Value) => t, wait: 100 }),
        sessions,
        () => ({ sum: 0 }),
        (acc, { v }) => ({ sum: acc.sum + v }),
        mistaken<() => { sum: number }>((earlier: { sum: number }, later: { sum: number }) => {
          earlier.sum += later.sum;
        }),
      ),
  );
  const error = await assertRejects(() => out);
  assertStringIncludes(
    String((error as Error).cause),
    "foldWindow's merger must return the accumulator of both; got undefined",
  );
});

Deno.test("collectWindow emits by time, and values of equal times in the order they came", async () => {
  const slow = new EventClockConfig({ getTime: ({ t }: Value) => t, wait: 100 });
  const out = (windower: Windower) =>
    collect(
      pairs(at(7, 1), at(3, 2), at(7, 3), at(3, 4), at(0, 5), at(12, 6)),
      (s) =>
        s.collectWindow("w", slow, windower).mapValue((values) =>
          values.map(({ v }) => v).join("")
        ),
    );
  assertEquals(await out(tumbling), [["a", "52413"], ["a", "6"]]);
  assertEquals(await out(sessions), [["a", "524136"]]);
});

Deno.test("countWindow, maxWindow and minWindow: the first of equals", async () => {
  assertEquals(
    await collect(ITEMS, (s) => s.countWindow("w", clock, tumbling)),
    [["a", 3], ["a", 1], ["a", 1], ["b", 1]],
  );
  const items = pairs(at(1, 2), at(2, 5), at(3, 5), at(4, 2));
  const time = (s: WindowedDataflow<Value, Value>) => s.mapValue(({ t }) => t);
  const compare = (a: Value, b: Value) => a.v - b.v;
  const max = await collect(items, (s) => time(s.maxWindow("w", clock, tumbling, compare)));
  const min = await collect(items, (s) => time(s.minWindow("w", clock, tumbling, compare)));
  assertEquals([max, min], [[["a", 2]], [["a", 1]]]);
  const numbers = new EventClockConfig({ getTime: (n: number) => n, wait: 0 });
  const natural = pairs(["a", 3], ["a", 8], ["a", 5]);
  assertEquals(await collect(natural, (s) => s.maxWindow("w", numbers, tumbling)), [["a", 8]]);
  assertEquals(await collect(natural, (s) => s.minWindow("w", numbers, tumbling)), [["a", 3]]);
});

Deno.test("maxWindow without compare refuses values that have no natural order, and names step and item", async () => {
  const { stepId, item } = await failure(
    pairs(at(1, 2), at(2, 5)),
    (s) => s.maxWindow("w", clock, tumbling),
  );
  assertEquals([stepId, item], ["w", `[ "a", { t: 2, v: 5 } ]`]);
});

Deno.test("late values go to .late as they came, are counted, and change no result", async () => {
  for (const batchSize of [1, 2, 1024]) {
    const results: unknown[] = [];
    const late: unknown[] = [];
    const flow = new Dataflow("late").input("in", new TestingInputConfig(ITEMS, { batchSize }));
    const windows = flow.countWindow("w", clock, tumbling);
    windows.late.capture("late", new TestingOutputConfig(late));
    windows.capture("out", new TestingOutputConfig(results));
    const { steps } = await run(windows);
    assertEquals(late, [at(5, 100)]);
    assertEquals(results, [["a", 3], ["a", 1], ["a", 1], ["b", 1]]);
    const count = (id: string) => steps.filter(({ stepId }) => stepId === id).map(({ out }) => out);
    assertEquals([count("w.late"), count("w.results")], [[1], [4]]);
  }
});

Deno.test("late values are counted even if nothing reads them", async () => {
  const out: unknown[] = [];
  const { steps } = await run(
    new Dataflow("late").input("in", new TestingInputConfig(ITEMS))
      .countWindow("w", clock, tumbling).capture("out", new TestingOutputConfig(out)),
  );
  assertEquals(steps.find(({ stepId }) => stepId === "w.late")?.out, 1);
});

Deno.test(".windows tells each result's window, with an id of its own", async () => {
  const out: Keyed<[WindowMetadata, number]>[] = [];
  const late: unknown[] = [];
  const windows = new Dataflow("w").input("in", new TestingInputConfig(ITEMS))
    .countWindow("w", clock, sliding);
  assertEquals(windows.windows, windows.windows);
  windows.late.capture("late", new TestingOutputConfig(late));
  await run(windows.windows.capture("out", new TestingOutputConfig(out)));
  const of = (key: string) =>
    out.filter((each) => each[0] === key).map(([, [{ openAt, closeAt }, count]]) => [
      openAt.getTime(),
      closeAt.getTime(),
      count,
    ]);
  assertEquals(of("a"), [[-5, 5, 2], [0, 10, 3], [5, 15, 3], [10, 20, 1], [20, 30, 1], [
    25,
    35,
    1,
  ]]);
  assertEquals(of("b"), [[-5, 5, 1], [0, 10, 1]]);
  assertEquals(out[0][1][0].id, "1969-12-31T23:59:59.995Z/1970-01-01T00:00:00.005Z");
  assertEquals(late, []); // 5 was late for one of its windows only
});

Deno.test("a window step's errors name the step and show the item", async () => {
  const items = pairs(at(1, 2), at(2, 5));
  const item = `[ "a", { t: 2, v: 5 } ]`;
  const broken = <R>(t: number, or: R) => (value: Value): R => {
    if (value.t === t) throw new RangeError("broken");
    return or;
  };
  const invalid = new EventClockConfig({
    getTime: ({ t }: Value) => t === 2 ? new Date("never") : t,
    wait: 0,
  });
  const throwing = new EventClockConfig({ getTime: broken(2, 0), wait: 0 });
  const uncovering: Windower = {
    overlap: "never",
    windowsAt: (t) => [{ openAt: t === 2 ? 3 : 1, closeAt: t === 2 ? 9 : 2 }],
  };
  const steps: [(s: Dataflow<Keyed<Value>>) => Dataflow<unknown>, string][] = [
    [(s) => s.countWindow("w", invalid, tumbling), "TypeError: getTime must return a valid Date"],
    [(s) => s.countWindow("w", throwing, tumbling), "RangeError: broken"],
    [(s) => s.countWindow("w", clock, uncovering), "TypeError: windowsAt(2) of a windower"],
    [(s) => s.reduceWindow("w", clock, tumbling, (_, b) => broken(2, b)(b)), "RangeError: broken"],
    [
      (s) => s.reduceWindow("w", clock, tumbling, mistaken(async () => await null)),
      "TypeError: the reducer returned a promise",
    ],
    [
      (s) => s.foldWindow("w", clock, tumbling, () => 0, (a, value) => broken(2, a)(value)),
      "RangeError: broken",
    ],
    [
      (s) => s.maxWindow("w", clock, tumbling, mistaken(() => "more")),
      "TypeError: ",
    ],
  ];
  for (const [step, text] of steps) {
    const failed = await failure(items, step);
    assertEquals([failed.stepId, failed.item], ["w", item], text);
    assertEquals(failed.error.startsWith(text), true, failed.error);
  }
});

Deno.test("a window step needs keys, a clock, a windower and functions", async () => {
  const s = new Dataflow("f").input("in", new TestingInputConfig(ITEMS));
  const refused = (step: () => unknown, text: string) => assertThrows(step, TypeError, text);
  refused(() => s.countWindow("w", mistaken({}), tumbling), "must be given a clock");
  refused(() => s.countWindow("w", mistaken(undefined), tumbling), "must be given a clock");
  refused(() => s.countWindow("w", clock, mistaken({ length: 10 })), "must be given a windower");
  refused(() => s.countWindow("w", clock, mistaken(undefined)), "must be given a windower");
  refused(() => s.reduceWindow("w", clock, tumbling, mistaken(1)), "reduceWindow's reducer");
  refused(() => s.foldWindow("w", clock, tumbling, mistaken(0), (a) => a), "foldWindow's build");
  refused(() => s.foldWindow("w", clock, tumbling, () => 0, mistaken(0)), "foldWindow's folder");
  refused(() => s.maxWindow("w", clock, tumbling, mistaken(0)), "maxWindow's compare");
  const flow = new Dataflow("f").input("in", new TestingInputConfig(mistaken<Keyed<Value>[]>([1])))
    .countWindow("w", new SystemClockConfig(), tumbling)
    .capture(new TestingOutputConfig<unknown>([]));
  const error = await assertRejects(() => run(flow), StepError) as StepError;
  assertEquals([error.stepId, error.item], ["w", "1"]);
});

Deno.test("at the input's end all windows close in order, those of the system's clock too", async () => {
  const out = await collect(
    pairs(at(100, 1), at(45, 2), at(3, 3), at(20, 4)),
    (s) =>
      s.collectWindow(
        "w",
        new EventClockConfig({ getTime: ({ t }: Value) => t, wait: 1_000 }),
        tumbling,
      )
        .mapValue((values) => values[0].t),
  );
  assertEquals(out, [["a", 3], ["a", 20], ["a", 45], ["a", 100]]);
  const system = new TumblingWindowConfig({ length: { days: 10_000 } });
  assertEquals(
    await collect(ITEMS, (s) => s.countWindow("w", new SystemClockConfig(), system)),
    [["a", 6], ["b", 1]],
  );
});

Deno.test("snapshots hold the accumulator and not the values, and a stop closes nothing", async () => {
  const recovery = new WatchedRecovery();
  const input = new HandInput<Keyed<Value>>();
  const out: unknown[] = [];
  const stop = new AbortController();
  const keyed = new Dataflow("snapshots").input("in", input);
  const sum = (acc: number, { v }: Value) => acc + v;
  keyed.countWindow("count", clock, sliding).capture("c", new TestingOutputConfig<unknown>(out));
  keyed.maxWindow("max", clock, sessions, (a, b) => a.v - b.v)
    .capture("m", new TestingOutputConfig<unknown>(out));
  keyed.foldWindow("fold", clock, tumbling, () => 0, sum)
    .capture("f", new TestingOutputConfig<unknown>(out));
  const running = run(keyed, { recovery, signal: stop.signal, clock: new TestClock(1_000) });
  input.push(...Array.from({ length: 1_000 }, (_, n) => at(20 + n % 5, n)));
  await eventually(() => input.waiting, "all is read");
  await idle();
  stop.abort();
  assertEquals((await running).stopped, true);
  assertEquals(out, []);
  assertEquals(recovery.stateOf("fold"), { a: [24, 20, 30, 499_500] });
  assertEquals(recovery.stateOf("count"), { a: [24, 15, 25, 1_000, 20, 30, 1_000] });
  assertEquals(recovery.stateOf("max"), {
    a: [24, 20, 34, { "millrace:at": 24, value: { t: 24, v: 999 } }],
  });
});

Deno.test("the ids of a window step's streams are its own, and two steps may not share one", async () => {
  const s = new Dataflow("ids").input("in", new TestingInputConfig(ITEMS));
  const first = s.countWindow("w", clock, tumbling);
  assertThrows(() => s.countWindow("w", clock, sliding), FlowDefinitionError, `step id "w"`);
  first.map((count) => count).capture("w.more", new TestingOutputConfig<unknown>([]));
  const { steps } = await run(first);
  const ids = steps.map(({ stepId }) => stepId);
  assertEquals(ids.filter((id) => id.startsWith("w")), ["w", "w.late", "w.results", "w.more"]);
});
