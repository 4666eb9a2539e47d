/** A window that has closed stays closed, whatever happens: and nothing else makes an item late. */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../support/eventually.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";
import { FedInput } from "../../support/runtime/virtual_time.ts";
import { assertClosed, type Item, item, NOW, start } from "../../support/windows/runs.ts";

const MINUTE = 60_000;

/** An input that has some items from the beginning. */
function fed(...items: Item[]): FedInput<Item> {
  const input = new FedInput<Item>();
  input.push(...items);
  return input;
}

for (const workers of [1, 2]) {
  const on = `on ${workers} worker${workers === 1 ? "" : "s"}`;

  for (const ms of [0, MINUTE]) {
    Deno.test(`an item is late for a window that quiet time closed ${ms} ms before, ${on}`, async () => {
      await using run = start({ workers, input: fed(item(10_300)) });
      await run.pass(1_000 + ms);
      assertClosed(run.closed(), 700);
      run.input.push(item(10_400), item(10_999));
      await run.pass(1_000);
      assertEquals([run.closed().length, run.lateTimes()], [1, [10_400, 10_999]]);
      const counts = await run.end();
      const late = counts.filter(({ stepId }) => stepId === "count.late");
      assertEquals(late.reduce((sum, { out }) => sum + out, 0), 2);
    });
  }

  Deno.test(`an item is late for a window that closed before a restart, ${on}`, async () => {
    const recovery = new WatchedRecovery();
    await using first = start({ workers, recovery, input: fed(item(10_300)) });
    await first.pass(1_000);
    await first.stop();
    assertClosed(first.closed(), 700);
    const input = fed(item(10_300), item(10_400), item(11_100));
    await using run = start({ workers, recovery, clock: first.clock, input });
    await run.pass(0);
    assertEquals([run.closed(), run.lateTimes()], [[], [10_400]]);
    await run.end();
    assertEquals(run.counts.items, [["a", 1]]);
  });

  Deno.test(`an item is late for a window that closed at the end of a run before, ${on}`, async () => {
    const recovery = new WatchedRecovery();
    await using first = start({ workers, recovery, input: fed(item(10_300)) });
    await first.pass(0);
    await first.end();
    assertEquals(first.counts.items, [["a", 1]]);
    const input = fed(item(10_300), item(10_400), item(11_000));
    await using run = start({ workers, recovery, clock: first.clock, input });
    await run.pass(0);
    await run.end();
    assertEquals([run.counts.items, run.lateTimes()], [[["a", 1]], [10_400]]);
  });

  Deno.test(`an item is late for a window of a key that has been forgotten, ${on}`, async () => {
    const recovery = new WatchedRecovery();
    await using run = start({ workers, recovery, retention: 120_000, input: fed(item(10_300)) });
    await run.pass(110_000);
    assertEquals(Object.keys(recovery.stateOf("count")), ["a"]);
    await run.pass(130_000);
    assertEquals(recovery.stateOf("count"), {});
    run.input.push(item(10_400));
    await run.pass(0);
    assertEquals([run.closed().length, run.lateTimes()], [1, [10_400]]);
    // What the key was forgotten at is far in the past of what comes now.
    run.input.push(item(1_000_000));
    await run.pass(2_000);
    assertEquals([run.closed().length, run.lateTimes()], [2, [10_400]]);
    await run.end();
  });

  Deno.test(`the hours between a stop and the restart make nothing late, ${on}`, async () => {
    const recovery = new WatchedRecovery();
    await using first = start({ workers, recovery, input: fed(item(10_300)) });
    await first.pass(100);
    await first.stop();
    assertEquals(first.closed(), []);
    first.clock.advance(5 * 60_000);
    const input = fed(item(10_300), item(10_200));
    await using run = start({ workers, recovery, clock: first.clock, input });
    await run.pass(500);
    assertEquals([run.closed(), run.lateTimes()], [[], []]);
    await run.pass(1_000);
    assertEquals(run.counts.items, [["a", 2]]);
    await run.end();
  });

  Deno.test(`a window that was open at a stop closes after the restart though its key has no more items, ${on}`, async () => {
    const recovery = new WatchedRecovery();
    await using first = start({ workers, recovery, input: fed(item(10_300)) });
    await first.pass(100);
    await first.stop();
    await using run = start({
      workers,
      recovery,
      clock: first.clock,
      input: fed(item(10_300)),
    });
    await run.pass(1_500);
    assertEquals(run.counts.items, [["a", 1]]);
    const [[, , at]] = run.closed();
    assert(at as number >= 700 && at as number <= 900, `closed at ${at}`);
    await run.end();
  });
}

Deno.test("the watermark of a key does not go back with an older item", async () => {
  await using run = start({ input: fed(item(10_900)) });
  await run.pass(50);
  run.input.push(item(10_100));
  await run.pass(40);
  assertEquals(run.closed(), []);
  await run.pass(60);
  assertClosed(run.closed(), 100, 2);
  run.input.push(item(9_000));
  await run.pass(0);
  run.input.push(item(10_950));
  await run.pass(0);
  assertEquals(run.lateTimes(), [9_000, 10_950]);
  await run.end();
});

Deno.test("10,000 keys that go away are forgotten, in the store too", async () => {
  const recovery = new WatchedRecovery();
  const keys = Array.from({ length: 10_000 }, (_, n) => item(10_000 + n % 10, `k${n}`));
  await using run = start({ recovery, retention: 180_000, input: fed(...keys) });
  await eventually(() => run.clock.sleeps.length > 1, "all are in their windows");
  await run.pass(60_000);
  await eventually(() => run.counts.items.length === 10_000, "all windows are out");
  await run.pass(10_000);
  assertEquals(run.counts.items.length, 10_000);
  assertEquals(Object.keys(recovery.stateOf("count")).length, 10_000);
  run.input.push(item(100_000, "stays"));
  await run.pass(180_000);
  assertEquals(Object.keys(recovery.stateOf("count")), ["stays"]);
  assertEquals(run.lateTimes(), []);
  await run.end();
});

Deno.test("a key is remembered for its retention after each item that comes for it", async () => {
  const recovery = new WatchedRecovery();
  await using run = start({ recovery, retention: 180_000, input: fed(item(10_000)) });
  for (let n = 0; n < 4; n++) {
    await run.pass(120_000);
    run.input.push(item(10_000)); // late, and yet a sign of life
    await run.pass(10_000);
  }
  await run.pass(60_000);
  assertEquals(Object.keys(recovery.stateOf("count")), ["a"]);
  await run.pass(180_000);
  assertEquals(recovery.stateOf("count"), {});
  assertEquals(run.lateTimes().length, 4);
  assertEquals(run.clock.at > NOW, true);
  await run.end();
});

Deno.test("an item of a key that was forgotten is late after a restart too, with other workers as well", async () => {
  const recovery = new WatchedRecovery();
  await using first = start({ recovery, retention: 120_000, input: fed(item(10_300)) });
  await first.pass(240_000);
  assertEquals(recovery.stateOf("count"), {});
  await first.stop();
  const input = fed(item(10_300), item(10_400), item(20_000, "b"));
  await using run = start({ workers: 2, recovery, clock: first.clock, input });
  await run.pass(0);
  await run.end();
  assertEquals([run.counts.items, run.lateTimes()], [[["b", 1]], [10_400]]);
});

Deno.test("a key whose time was far in the future makes no other key late when it is forgotten", async () => {
  const recovery = new WatchedRecovery();
  const input = fed(item(NOW + 10 * 365 * 86_400_000, "mad"));
  await using run = start({ recovery, retention: 120_000, input });
  await run.pass(240_000);
  assertEquals(recovery.stateOf("count"), {});
  run.input.push(item(run.clock.at, "b"));
  await run.pass(0);
  await run.end();
  assertEquals(run.lateTimes(), []);
  assertEquals(run.counts.items, [["mad", 1], ["b", 1]]);
});

Deno.test("a key's retention goes on between two runs", async () => {
  const recovery = new WatchedRecovery();
  await using first = start({ recovery, retention: 120_000, input: fed(item(10_300)) });
  await first.pass(1_000);
  await first.end();
  assertEquals(Object.keys(recovery.stateOf("count")), ["a"]);
  first.clock.advance(120_000);
  await using run = start({ recovery, retention: 120_000, clock: first.clock, input: fed() });
  await run.pass(0);
  await run.end();
  assertEquals(recovery.stateOf("count"), {});
});
