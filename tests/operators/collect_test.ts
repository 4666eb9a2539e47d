import { assertEquals, assertThrows } from "@std/assert";
import {
  type CollectOptions,
  Dataflow,
  type Keyed,
  run as runFlow,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { collectLogic } from "../../src/operators/collect.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { collect, mistaken, pairs } from "../support/runtime/collect.ts";
import { byKey, LogicDriver } from "../support/runtime/logic_driver.ts";
import { Random } from "../support/values/random.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

const threes = (items: Dataflow<Keyed<number>>) =>
  items.collect("threes", { maxSize: 3, timeout: { seconds: 10 } });

Deno.test("collect emits a batch of a key when it is full, and the rest at the input's end", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 9], ["a", 2], ["a", 3], ["a", 4], ["b", 8]),
    threes,
  );
  assertEquals(out, [["a", [1, 2, 3]], ["b", [9, 8]], ["a", [4]]]);
});

Deno.test("collect with a size of 1 emits each value in a batch of its own", async () => {
  const items = pairs<number | undefined>(["a", 1], ["a", undefined]);
  const out = await collect(items, (s) => s.collect("ones", { maxSize: 1, timeout: 1 }));
  assertEquals(out, [["a", [1]], ["a", [undefined]]]);
});

Deno.test("collect emits a batch when the timeout has passed since its first value came", async () => {
  const run = await runByHand(threes);
  await run.push(["a", 1]);
  await run.advance(6_000);
  await run.push(["a", 2], ["b", 9]);
  await run.advance(3_999);
  assertEquals(run.out, []);
  await run.advance(1);
  assertEquals(run.out, [["a", [1, 2]]]);
  await run.push(["a", 3]);
  await run.advance(6_000);
  assertEquals(run.out.slice(1), [["b", [9]]]);
  await run.advance(4_000);
  await run.end();
  assertEquals(run.out.slice(2), [["a", [3]]]);
});

Deno.test("collect measures the timeout again after a full batch", async () => {
  const run = await runByHand(threes);
  await run.push(["a", 1]);
  await run.advance(9_000);
  await run.push(["a", 2], ["a", 3], ["a", 4]);
  await run.advance(1_000);
  assertEquals(run.out, [["a", [1, 2, 3]]]);
  await run.advance(9_000);
  assertEquals(run.out.slice(1), [["a", [4]]]);
  await run.end();
});

Deno.test("collect emits its batches at a stop where no store keeps them", async () => {
  const run = await runByHand(threes);
  await run.push(["a", 1], ["b", 9], ["a", 2]);
  assertEquals(run.out, []);
  await run.stop();
  assertEquals(run.out, [["a", [1, 2]], ["b", [9]]]);
});

Deno.test("collect emits many batches at a stop, as far as there is room, and none twice", async () => {
  const input = new TestingInputConfig(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i]));
  const out: Keyed<number[]>[] = [];
  const stop = new AbortController();
  let seen = 0;
  const flow = new Dataflow("many").input("in", input)
    .inspect(() => ++seen === 20_000 && stop.abort())
    .collect("batches", { maxSize: 2, timeout: { hours: 1 } })
    .capture("out", new TestingOutputConfig(out));
  await runFlow(flow, { signal: stop.signal });
  assertEquals(new Map(out), new Map(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, [i]])));
  assertEquals(out.length, 20_000);
});

Deno.test("collect keeps a batch across a stop, with its time", async () => {
  const clock = new TestClock(1_000_000);
  const recovery = new WatchedRecovery();
  const first = await runByHand(threes, { clock, recovery });
  await first.push(["a", 1], ["b", 9]);
  await first.stop();
  assertEquals(first.out, []);
  assertEquals(recovery.stateOf("threes"), {
    a: { since: 1_000_000, values: [1] },
    b: { since: 1_000_000, values: [9] },
  });
  clock.advance(9_000);
  const second = await runByHand(threes, { clock, recovery });
  await second.push(["a", 2], ["a", 3]);
  assertEquals(second.out, [["a", [1, 2, 3]]]);
  await second.advance(1_000);
  await second.stop();
  assertEquals(second.out.slice(1), [["b", [9]]]);
  assertEquals(recovery.stateOf("threes"), {});
});

Deno.test("collect emits a batch at once when it became due between two runs", async () => {
  const clock = new TestClock(1_000_000);
  const recovery = new WatchedRecovery();
  const first = await runByHand(threes, { clock, recovery });
  await first.push(["a", 1]);
  await first.stop();
  clock.advance(60_000);
  const second = await runByHand(threes, { clock, recovery });
  assertEquals(second.out, [["a", [1]]]);
  await second.end();
});

Deno.test("collect keeps to a size that has become smaller since the snapshot", () => {
  const driver = new LogicDriver(
    collectLogic<number>("batches", { maxSize: 10, timeout: 5 }),
  );
  for (const n of [1, 2, 3, 4, 5]) driver.item("a", n);
  driver.restart(collectLogic<number>("batches", { maxSize: 2, timeout: 5 }));
  driver.now += 5;
  driver.notify();
  assertEquals(driver.out, [["a", [1, 2]], ["a", [3, 4]], ["a", [5]]]);
});

Deno.test("collect refuses a size or a timeout that is none, and other options", () => {
  const items = new Dataflow("f").input("in", new TestingInputConfig(pairs(["a", 1])));
  const refused = (options: unknown, error: typeof RangeError, message: string) =>
    assertThrows(() => items.collect("c", mistaken<CollectOptions>(options)), error, message);
  for (const [size, shown] of [[0, "0"], [-1, "-1"], [1.5, "1.5"], ["2", `"2"`], [NaN, "NaN"]]) {
    refused(
      { maxSize: size, timeout: 1 },
      RangeError,
      `maxSize of collect "c" must be a positive integer; got ${shown}`,
    );
  }
  refused({ timeout: 1 }, RangeError, `maxSize of collect "c" must be a positive integer; got und`);
  refused({ maxSize: 1, timeout: 0 }, RangeError, `timeout of collect "c" must be more than zero`);
  refused({ maxSize: 1, timeout: -5 }, RangeError, `timeout of collect "c" must be zero or more`);
  refused({ maxSize: 1 }, RangeError, `timeout of collect "c" must be milliseconds or a duration`);
  refused(
    undefined,
    TypeError,
    `collect "c" accepts its options as an object (it has: maxSize, timeout); got undefined`,
  );
  refused(
    { maxSize: 1, timeout: 1, max: 1 },
    TypeError,
    `collect "c" has no option "max"; it has: maxSize, timeout`,
  );
});

/** The batches of one key's values, cut from the list of all of them. */
function batchesOf(
  values: readonly { n: number; at: number }[],
  maxSize: number,
  timeout: number,
): number[][] {
  const batches: number[][] = [];
  for (let from = 0; from < values.length;) {
    const inTime = values.findIndex(({ at }, i) => i > from && at >= values[from].at + timeout);
    const to = Math.min(inTime < 0 ? values.length : inTime, from + maxSize);
    batches.push(values.slice(from, to).map(({ n }) => n));
    from = to;
  }
  return batches;
}

Deno.test("collect agrees with a list that is cut, whenever timers come and runs restart", () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const random = new Random(seed);
    const [maxSize, timeout] = [1 + random.below(6), 1 + random.below(40)];
    const driver = new LogicDriver(
      collectLogic<number>("batches", { maxSize, timeout }),
    );
    const values: Record<string, { n: number; at: number }[]> = {};
    for (let n = 0; n < 40; n++) {
      driver.now += random.below(8);
      if (random.below(3) === 0) driver.notify(); // else they are late
      if (random.below(8) === 0) driver.restart();
      const key = random.pick(["a", "b", "c"]);
      driver.item(key, n);
      (values[key] ??= []).push({ n, at: driver.now });
    }
    driver.end();
    assertEquals(driver.keys, [], `seed ${seed}`);
    const expected = Object.fromEntries(
      Object.entries(values).map(([key, list]) => [key, batchesOf(list, maxSize, timeout)]),
    );
    assertEquals(byKey(driver.out), expected, `seed ${seed}`);
  }
});
