import { assertEquals, assertThrows } from "@std/assert";
import {
  type BuildLogic,
  Dataflow,
  type Emit,
  type Keyed,
  type StatefulLogic,
  type StateOptions,
  TestingInputConfig,
} from "../../mod.ts";
import { foldFinalLogic } from "../../src/operators/fold_final.ts";
import { statefulMapLogic } from "../../src/operators/stateful_map.ts";
import { withTtl } from "../../src/operators/ttl.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";
import { byKey, LogicDriver } from "../support/runtime/logic_driver.ts";
import { Random } from "../support/values/random.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

type Items = Dataflow<Keyed<number>>;

const START = 1_000_000;
const ttl = { seconds: 10 };

/** How many values a key has had, and the value. */
const counted = (options: StateOptions) => (items: Items) =>
  items.statefulMap(
    "count",
    () => 0,
    (seen: number, n): [number, string] => [seen + 1, `${n} is number ${seen + 1}`],
    options,
  );

Deno.test("a key is forgotten when no value came for the ttl, and build runs again for its next value", async () => {
  const run = await runByHand(counted({ ttl }));
  await run.push(["a", 1], ["b", 1]);
  await run.advance(9_999);
  await run.push(["a", 2]);
  await run.advance(1);
  await run.push(["a", 3], ["b", 3]);
  await run.end();
  assertEquals(run.out, [
    ["a", "1 is number 1"],
    ["b", "1 is number 1"],
    ["a", "2 is number 2"],
    ["a", "3 is number 3"],
    ["b", "3 is number 1"],
  ]);
});

Deno.test("a key is forgotten by the clock alone, in the store too, and nothing is emitted", async () => {
  const recovery = new WatchedRecovery();
  const run = await runByHand(counted({ ttl }), { recovery });
  await run.push(["a", 1]);
  await run.advance(5_000);
  await run.push(["b", 1]);
  await run.advance(5_000);
  await run.stop();
  assertEquals(recovery.stateOf("count"), { b: { "millrace:touched": START + 5_000, state: 1 } });
  assertEquals(run.out.length, 2);
});

Deno.test("a key goes at the right time after a restart, and the time between two runs counts", async () => {
  const clock = new TestClock(START);
  const recovery = new WatchedRecovery();
  const first = await runByHand(counted({ ttl }), { clock, recovery });
  await first.push(["a", 1], ["b", 1]);
  await first.stop();
  clock.advance(8_000);
  const second = await runByHand(counted({ ttl }), { clock, recovery });
  await second.advance(1_999);
  await second.push(["a", 2]);
  await second.advance(1);
  await second.push(["b", 2]);
  await second.stop();
  clock.advance(60_000);
  const third = await runByHand(counted({ ttl }), { clock, recovery });
  await third.push(["a", 3]);
  await third.stop();
  assertEquals(second.out, [["a", "2 is number 2"], ["b", "2 is number 1"]]);
  assertEquals(third.out, [["a", "3 is number 1"]]);
  assertEquals(Object.keys(recovery.stateOf("count")), ["a"]);
});

Deno.test("a flow without a ttl goes on from a snapshot with one", async () => {
  const clock = new TestClock(START);
  const recovery = new WatchedRecovery();
  const first = await runByHand(counted({ ttl }), { clock, recovery });
  await first.push(["a", 1], ["b", 1]);
  await first.stop();
  clock.advance(60_000);
  const second = await runByHand(counted({}), { clock, recovery });
  await second.push(["a", 2]);
  await second.stop();
  assertEquals(second.out, [["a", "2 is number 2"]]);
  // What no value came for is as it was.
  assertEquals(recovery.stateOf("count"), {
    a: 2,
    b: { "millrace:touched": START, state: 1 },
  });
  const third = await runByHand(counted({}), { clock, recovery });
  await third.push(["a", 3], ["b", 2]);
  await third.end();
  assertEquals(third.out, [["a", "3 is number 3"], ["b", "2 is number 2"]]);
});

Deno.test("a flow with a ttl goes on from a snapshot without one, and its time begins then", async () => {
  const clock = new TestClock(START);
  const recovery = new WatchedRecovery();
  const first = await runByHand(counted({}), { clock, recovery });
  await first.push(["a", 1], ["b", 1]);
  await first.stop();
  clock.advance(60_000);
  const second = await runByHand(counted({ ttl }), { clock, recovery });
  await second.advance(4_000);
  await second.push(["a", 2]);
  await second.stop();
  // The next snapshot must hold the time of the key without a value, or each restart would begin it
  // again.
  assertEquals(recovery.stateOf("count"), {
    a: { "millrace:touched": START + 64_000, state: 2 },
    b: { "millrace:touched": START + 60_000, state: 1 },
  });
  const third = await runByHand(counted({ ttl }), { clock, recovery });
  await third.advance(6_000);
  await third.push(["a", 3], ["b", 2]);
  await third.end();
  assertEquals(second.out, [["a", "2 is number 2"]]);
  assertEquals(third.out, [["a", "3 is number 3"], ["b", "2 is number 1"]]);
});

Deno.test("a state that looks much like a key with a ttl is the user's own", async () => {
  for (
    const state of [
      { "millrace:touched": 1 },
      { "millrace:touched": "1", state: 1 },
      { "millrace:touched": 1, state: 1, more: 1 },
      ["millrace:touched", 1],
    ]
  ) {
    const clock = new TestClock(START);
    const recovery = new WatchedRecovery();
    const steps = (options: StateOptions) => (items: Items) =>
      items.statefulMap("keep", (): unknown => state, (kept) => [kept, kept], options);
    const out: unknown[] = [];
    for (const options of [{}, {}, { ttl }, { ttl }, {}]) {
      const run = await runByHand(steps(options), { clock, recovery });
      await run.push(["a", 1]);
      await run.stop();
      out.push(...run.out.map(([, kept]) => kept));
    }
    assertEquals(out, [state, state, state, state, state]);
  }
});

Deno.test("reduce with a ttl drops an accumulator that never got complete", async () => {
  const run = await runByHand((items: Items) =>
    items.reduce("sum", (a, b) => a + b, (sum) => sum >= 10, { ttl })
  );
  await run.push(["a", 6], ["b", 6]);
  await run.advance(6_000);
  await run.push(["b", 1]);
  await run.advance(4_000);
  await run.push(["a", 6], ["b", 6]);
  await run.end();
  assertEquals(run.out, [["b", 13]]);
});

Deno.test("statefulFlatMap with a ttl starts over after it", async () => {
  const run = await runByHand((items: Items) =>
    items.statefulFlatMap("list", () => 0, (seen, n) => [seen + n, [seen, seen + n]], { ttl })
  );
  await run.push(["a", 1]);
  await run.push(["a", 2]);
  await run.advance(10_000);
  await run.push(["a", 5]);
  await run.end();
  assertEquals(run.out.map(([, n]) => n), [0, 1, 1, 3, 0, 5]);
});

Deno.test("a step with a ttl still forgets a key when it is done with it", async () => {
  const items = pairs(["a", 1], ["a", 2], ["a", 0], ["a", 3], ["b", 1]);
  const out = await collect(items, (s) =>
    s.statefulMap(
      "total",
      () => 100,
      (total, n) => n === 0 ? [null, -1] : [total + n, total + n],
      { ttl },
    ));
  assertEquals(out, [["a", 101], ["a", 103], ["a", -1], ["a", 103], ["b", 101]]);
});

/** Rings `after` milliseconds after a value came, and tells at the end what has not rung. */
function alarm(after: number): BuildLogic<number, string, number> {
  return (resumed, _key, time) => {
    let due = resumed ?? 0;
    return {
      onItem: () => void (due = time.now() + after),
      onNotify: (emit: Emit<string>) => {
        emit(`rang at ${due - START}`);
        due = 0;
      },
      onEnd: (emit: Emit<string>) => emit(`end, due at ${due && due - START}`),
      notifyAt: () => due === 0 ? null : new Date(due),
      snapshot: () => due,
    };
  };
}

Deno.test("a logic's own notifications come at their time under a ttl, and do not count as values", async () => {
  const run = await runByHand((items: Items) => items.stateful("alarm", alarm(4_000), { ttl }));
  await run.push(["a", 1]);
  await run.advance(4_000);
  assertEquals(run.out, [["a", "rang at 4000"]]);
  await run.advance(6_000); // the ttl has passed since the value
  await run.end();
  assertEquals(run.out.slice(1), []);
});

Deno.test("a logic's notification that is due after its key is never comes", async () => {
  const run = await runByHand((items: Items) => items.stateful("alarm", alarm(11_000), { ttl }));
  await run.push(["a", 1]);
  await run.advance(60_000);
  await run.end();
  assertEquals(run.out, []);
});

Deno.test("a logic's notification that was due before its key comes first when both are late", async () => {
  const clock = new TestClock(START);
  const recovery = new WatchedRecovery();
  const steps = (items: Items) => items.stateful("alarm", alarm(4_000), { ttl });
  const first = await runByHand(steps, { clock, recovery });
  await first.push(["a", 1]);
  await first.stop();
  clock.advance(60_000);
  const second = await runByHand(steps, { clock, recovery });
  await second.stop();
  assertEquals(second.out, [["a", "rang at 4000"]]);
  assertEquals(recovery.stateOf("alarm"), {});
});

Deno.test("a logic from a snapshot without a ttl is not notified before it is due", () => {
  const driver = new LogicDriver(withTtl("step", alarm(4_000), {}));
  driver.item("a", 1);
  driver.restart(withTtl("step", alarm(4_000), { ttl }));
  driver.now += 3_999;
  driver.notify();
  assertEquals(driver.out, []);
  driver.now += 1;
  driver.notify();
  assertEquals(driver.out, [["a", "rang at 4000"]]);
});

Deno.test("a logic that is done before its key is due is asked no more", () => {
  const once: BuildLogic<number, string, number> = (_resumed, _key, time) => {
    let left = 2;
    const start = time.now();
    return {
      onItem: () => {},
      onNotify: (emit) => emit(`${--left} left`),
      notifyAt: () => new Date(start + 2_000 - left),
      isDone: () => left === 0,
      snapshot: () => left,
    };
  };
  const driver = new LogicDriver(withTtl("step", once, { ttl }));
  driver.item("a", 1);
  driver.now += 60_000;
  driver.notify();
  assertEquals(driver.out, [["a", "1 left"], ["a", "0 left"]]);
});

Deno.test("a value that comes before a late timer finds its key forgotten all the same", () => {
  const driver = new LogicDriver(withTtl("step", alarm(4_000), { ttl }));
  driver.item("a", 1);
  driver.now += 60_000;
  driver.item("a", 2);
  driver.now += 3_000;
  driver.notify();
  assertEquals([driver.out, driver.keys], [[["a", "rang at 4000"]], ["a"]]);
  driver.now += 1_000;
  driver.notify();
  assertEquals(driver.out.slice(1), [["a", "rang at 64000"]]);
});

Deno.test("a logic that always wants to be notified is forgotten too", () => {
  let notified = 0;
  const greedy: BuildLogic<number, never, null> = () => ({
    onItem: () => {},
    onNotify: () => void notified++,
    notifyAt: () => new Date(0),
    snapshot: () => null,
  });
  const driver = new LogicDriver(withTtl("step", greedy, { ttl }));
  driver.item("a", 1);
  driver.now += 10_000;
  driver.notify();
  assertEquals([driver.keys, notified], [[], 1]);
});

Deno.test("onEnd comes under a ttl, for keys that are not due", async () => {
  const run = await runByHand((items: Items) => items.stateful("alarm", alarm(40_000), { ttl }));
  await run.push(["a", 1]);
  await run.advance(5_000);
  await run.push(["b", 1]);
  await run.advance(5_000);
  await run.end();
  assertEquals(run.out, [["b", "end, due at 45000"]]);
});

Deno.test("onEnd does not come for a key that is due, when the input ends before its timer", () => {
  const logic = withTtl("step", foldFinalLogic(() => 0, (sum: number, n: number) => sum + n), {
    ttl,
  });
  const driver = new LogicDriver(logic);
  driver.item("a", 1);
  driver.now += 9_999;
  driver.item("b", 2);
  driver.now += 1;
  driver.end();
  assertEquals([driver.out, driver.keys], [[["b", 2]], []]);
});

Deno.test("a ttl of more time than dates have is for ever", async () => {
  const run = await runByHand(counted({ ttl: { days: 1e9 } }));
  await run.push(["a", 1]);
  await run.advance(1e12);
  await run.push(["a", 2]);
  await run.end();
  assertEquals(run.out.map(([, text]) => text), ["1 is number 1", "2 is number 2"]);
});

Deno.test("mistakes of a logic are found under a ttl as they are without", async () => {
  const logics: [Partial<StatefulLogic<number, number, null>> | null, string][] = [
    [null, "build must return an object with onItem and snapshot; got null"],
    [
      { notifyAt: mistaken(() => 5) },
      `notifyAt must return a valid Date or null; got 5 for key "a"`,
    ],
    [
      { notifyAt: () => new Date(NaN) },
      `notifyAt must return a valid Date or null; got Invalid Date for key "a"`,
    ],
    [{ isDone: mistaken(() => 1) }, "isDone must return true or false; got 1"],
    [
      { onItem: mistaken(() => Promise.resolve()) },
      "onItem returned a promise, but stateful steps are synchronous: " +
      "await in a mapAsync before this step",
    ],
  ];
  for (const [part, message] of logics) {
    const build: BuildLogic<number, number, null> = () =>
      part === null ? mistaken(null) : { onItem: () => {}, snapshot: () => null, ...part };
    const failures = [];
    for (const options of [{ ttl }, {}]) {
      failures.push(await failure(pairs(["a", 1]), (s) => s.stateful("step", build, options)));
    }
    assertEquals(failures[0].error, `TypeError: ${message}`);
    assertEquals(failures[0], failures[1]);
  }
});

Deno.test("a ttl that is none is refused, and so are other options", () => {
  const items = new Dataflow("f").input("in", new TestingInputConfig(pairs(["a", 1])));
  const refused = (options: unknown, error: typeof RangeError, message: string) =>
    assertThrows(() => counted(mistaken<StateOptions>(options))(items), error, message);
  const step = `stateful step "count"`;
  refused({ ttl: 0 }, RangeError, `ttl of ${step} must be more than zero; got 0 ms`);
  refused({ ttl: -1 }, RangeError, `ttl of ${step} must be zero or more and finite; got -1 ms`);
  refused({ ttl: { months: 1 } }, RangeError, `ttl of ${step} must be milliseconds or a duration`);
  refused({ ttl: null }, RangeError, `ttl of ${step} must be milliseconds or a duration`);
  refused({ tll: 5 }, TypeError, `${step} has no option "tll"; it has: ttl`);
  refused(5, TypeError, `${step} accepts its options as an object (it has: ttl); got 5`);
  refused(null, TypeError, `${step} accepts its options as an object (it has: ttl); got null`);
});

Deno.test("keys go and stay as in a model, whatever the timers, restarts and changes of the ttl", () => {
  const count = statefulMapLogic(() => 0, (seen: number): [number, number] => [seen + 1, seen + 1]);
  for (let seed = 0; seed < 3_000; seed++) {
    const random = new Random(seed);
    const ttl = 1 + random.below(30);
    let on = random.below(2) === 0;
    const build = () => withTtl("count", count, on ? { ttl } : {});
    const driver = new LogicDriver(build());
    // Since when a key is untouched, as far as its snapshot can say.
    const model = new Map<string, { seen: number; touched: number | null }>();
    const expected: Keyed<number>[] = [];
    const forget = () => {
      for (const [key, { touched }] of model) {
        if (on && driver.now - touched! >= ttl) model.delete(key);
      }
    };
    for (let n = 0; n < 40; n++) {
      driver.now += random.below(8);
      if (random.below(3) === 0) driver.notify(); // else they are late
      forget();
      if (random.below(6) === 0) {
        const toggles = random.below(3) === 0;
        if (toggles) driver.notify(); // a run without ttl takes what it finds
        on = toggles ? !on : on;
        driver.restart(build());
        for (const state of model.values()) if (on) state.touched ??= driver.now;
        forget();
        if (toggles) driver.notify(); // the time begins
      }
      const key = random.pick(["a", "b", "c"]);
      driver.item(key, n);
      const seen = (model.get(key)?.seen ?? 0) + 1;
      model.set(key, { seen, touched: on ? driver.now : null });
      expected.push([key, seen]);
    }
    driver.notify();
    forget();
    assertEquals(byKey(driver.out), byKey(expected), `seed ${seed}`);
    assertEquals(driver.keys, [...model.keys()].sort(), `seed ${seed}`);
  }
});
