import { assertEquals, assertThrows } from "@std/assert";
import { Dataflow, type DedupeOptions, type Keyed, TestingInputConfig } from "../../mod.ts";
import { dedupeLogic } from "../../src/operators/dedupe.ts";
import { runByHand } from "../support/runtime/manual_run.ts";
import { collect, mistaken, pairs } from "../support/runtime/collect.ts";
import { byKey, LogicDriver } from "../support/runtime/logic_driver.ts";
import { Random } from "../support/values/random.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

const once = (items: Dataflow<Keyed<number>>) => items.dedupe("once", { ttl: { seconds: 10 } });

Deno.test("dedupe lets the first value of each key through", async () => {
  const out = await collect(pairs(["a", 1], ["b", 2], ["a", 3], ["a", 1], ["b", 2]), once);
  assertEquals(out, [["a", 1], ["b", 2]]);
});

Deno.test("dedupe accepts undefined as a value like any other", async () => {
  const items = pairs<number | undefined>(["a", undefined], ["a", 1]);
  assertEquals(await collect(items, (s) => s.dedupe("once", { ttl: 1_000 })), [["a", undefined]]);
});

Deno.test("dedupe lets a key through again once the ttl has passed since it last did", async () => {
  const run = await runByHand(once);
  await run.push(["a", 1]);
  await run.advance(9_999);
  await run.push(["a", 2]); // is dropped, and does not start the time again
  await run.advance(1);
  await run.push(["a", 3]);
  await run.push(["a", 4]);
  await run.end();
  assertEquals(run.out, [["a", 1], ["a", 3]]);
});

Deno.test("dedupe forgets a key by the clock, in the store too", async () => {
  const recovery = new WatchedRecovery();
  const run = await runByHand(once, { recovery });
  await run.push(["a", 1]);
  await run.advance(6_000);
  await run.push(["b", 1]);
  await run.advance(4_000);
  await run.stop();
  assertEquals(recovery.stateOf("once"), { b: 1_006_000 });
});

Deno.test("dedupe remembers across a restart for the time of the ttl", async () => {
  const clock = new TestClock(1_000_000);
  const recovery = new WatchedRecovery();
  const first = await runByHand(once, { clock, recovery });
  await first.push(["a", 1], ["b", 1]);
  await first.stop();
  clock.advance(5_000);
  const second = await runByHand(once, { clock, recovery });
  await second.push(["a", 2]);
  await second.advance(5_000);
  await second.push(["a", 3]);
  await second.end(); // what is remembered at the input's end is remembered in the next run
  const third = await runByHand(once, { clock, recovery });
  await third.push(["a", 4], ["b", 2]);
  await third.end();
  assertEquals([second.out, third.out], [[["a", 3]], [["b", 2]]]);
});

Deno.test("dedupe refuses to work without a ttl, and names the reason", () => {
  const items = new Dataflow("f").input("in", new TestingInputConfig(pairs(["a", 1])));
  for (const options of [undefined, null, {}, { ttl: undefined }]) {
    assertThrows(
      () => items.dedupe("once", mistaken<DedupeOptions>(options)),
      TypeError,
      `dedupe "once" needs a ttl such as { ttl: { hours: 1 } }: without one it would have to ` +
        `remember every key for ever`,
    );
  }
  assertThrows(
    () => items.dedupe("once", { ttl: 0 }),
    RangeError,
    `ttl of dedupe "once" must be more than zero; got 0 ms`,
  );
  assertThrows(() => items.dedupe("once", { ttl: -1 }), RangeError, `ttl of dedupe "once" must be`);
  assertThrows(
    () => items.dedupe("once", mistaken<DedupeOptions>({ ttl: 5, size: 1 })),
    TypeError,
    `dedupe "once" has no option "size"; it has: ttl`,
  );
});

Deno.test("dedupe agrees with a list of all values, whenever timers come and runs restart", () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const random = new Random(seed);
    const ttl = 1 + random.below(30);
    const driver = new LogicDriver(dedupeLogic<number>("once", { ttl }));
    const passed = new Map<string, number>();
    const expected: Keyed<number>[] = [];
    for (let n = 0; n < 40; n++) {
      driver.now += random.below(8);
      if (random.below(3) === 0) driver.notify(); // else they are late
      if (random.below(8) === 0) driver.restart();
      const key = random.pick(["a", "b", "c"]);
      driver.item(key, n);
      if (driver.now - (passed.get(key) ?? -Infinity) < ttl) continue;
      passed.set(key, driver.now);
      expected.push([key, n]);
    }
    assertEquals(byKey(driver.out), byKey(expected), `seed ${seed}`);
    driver.notify();
    const kept = [...passed].filter(([, at]) => driver.now - at < ttl).map(([key]) => key).sort();
    assertEquals(driver.keys, kept, `seed ${seed}`);
  }
});
