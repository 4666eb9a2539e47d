/** Windows of inputs that are quiet: on a clock that the test holds in its hands. */
import { assert, assertEquals } from "@std/assert";
import { Dataflow, type Keyed } from "../../../mod.ts";
import { eventually } from "../../support/eventually.ts";
import { SetClock } from "../../support/clock/set_clock.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { FedInput, pass, TimedOutput } from "../../support/runtime/virtual_time.ts";
import {
  assertClosed,
  eventClock,
  type Item,
  item,
  LONG,
  NOW,
  second,
  SOON_MS,
  start,
  TOLD_AFTER_MS,
} from "../../support/windows/runs.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

for (const workers of [1, 2]) {
  const on = `${workers} worker${workers === 1 ? "" : "s"}`;

  Deno.test(`a window of a quiet input closes when it is due, with epochs of a minute, on ${on}`, async () => {
    await using run = start({ workers });
    await run.pass(500);
    run.input.push(item(10_300));
    await run.pass(690);
    assertEquals(run.closed(), []);
    await run.pass(1_000);
    assertClosed(run.closed(), 500 + 700);
    await run.end();
  });

  Deno.test(`the wait of the clock is waited for too, all of it, on ${on}`, async () => {
    await using run = start({ workers, wait: 2 * LONG });
    run.input.push(item(10_300));
    await run.pass(2 * LONG + 600);
    assertEquals(run.closed(), []);
    await run.pass(500);
    assertClosed(run.closed(), 2 * LONG + 700);
    await run.end();
  });

  Deno.test(`each key closes at its own time, on ${on}`, async () => {
    await using run = start({ workers });
    const due = new Map(Array.from({ length: 50 }, (_, n) => [`k${n}`, 1_000 - n * 17]));
    for (const [key, ms] of due) run.input.push(item(9_000 - ms, key));
    await run.pass(3_000);
    assertEquals(run.counts.seen.length, 50);
    for (const [key, , at] of run.closed() as [string, number, number][]) {
      const late = at - due.get(key)!;
      assert(late >= 0 && late <= SOON_MS, `${key} closed ${late} ms after it was due`);
    }
    await run.end();
  });

  Deno.test(`a window closes when it is due after a merge, and after an input that has ended, on ${on}`, async () => {
    const other = new FedInput<Item>();
    await using run = start({
      workers,
      before: (items, flow) => items.merge(flow.input("other", other)),
    });
    run.input.push(item(10_300));
    await run.pass(2_000);
    assertClosed(run.closed(), 700);
    other.push(item(20_400));
    other.end();
    await run.pass(2_000);
    assertEquals(run.closed().length, 2);
    assertClosed(run.closed().slice(1), 2_000 + 600);
    await run.end();
  });

  Deno.test(`a window closes when it is due after mapAsync, on ${on}`, async () => {
    await using run = start({
      workers,
      before: (items) =>
        items.mapAsync(async (item) => {
          await Promise.resolve();
          return item;
        }),
    });
    run.input.push(item(10_300));
    await run.pass(2_000);
    assertClosed(run.closed(), 700);
    await run.end();
  });

  Deno.test(`a window closes when it is due after redistribute, on ${on}`, async () => {
    await using run = start({ workers, before: (items) => items.redistribute() });
    await run.pass(100); // the workers tell each other which sources there are
    run.input.push(item(10_300));
    await run.pass(2_000);
    assertClosed(run.closed(), 100 + 700);
    await run.end();
  });

  Deno.test(`a window closes when it is due after another stateful step, on ${on}`, async () => {
    await using run = start({
      workers,
      before: (items) =>
        items.keyOn(({ key }) => key)
          .statefulMap("seen", () => 0, (seen: number, item) => [seen + 1, item])
          .map(([, item]) => item),
    });
    await run.pass(100); // as above
    run.input.push(item(10_300));
    await run.pass(2_000);
    assertClosed(run.closed(), 100 + 700);
    await run.end();
  });

  Deno.test(`items that a filter drops do not hold a window up for long when they are few, on ${on}`, async () => {
    await using run = start({ workers, before: (items) => items.filter(({ key }) => key === "a") });
    run.input.push(item(10_000));
    for (let n = 0; n < 20; n++) {
      await run.pass(100);
      run.input.push(item(0, "dropped"));
    }
    assertClosed(run.closed(), 1_000);
    await run.end();
  });

  Deno.test(`two window steps in a row close when they are due, on ${on}`, async () => {
    const clock = new TestClock(NOW);
    const input = new FedInput<Item>();
    const out = new TimedOutput<Keyed<number>>(clock);
    const flow = new Dataflow("twice").input("in", input)
      .keyOn(({ key }) => key)
      .reduceWindow("first", eventClock(), second, (a) => a)
      .map(([, item]): Keyed<Item> => ["all", item])
      .countWindow("second", eventClock(), second)
      .capture("out", out);
    const running = runWorkers(flow, workers, { clock, epochMs: 60_000 });
    input.push(item(10_300, "a"), item(10_400, "b"));
    await pass(clock, 5_000);
    // The first step's come at 700 and 600; the second's window is due 600 after that of "b" at
    // least.
    assertEquals(out.items, [["all", 2]]);
    const at = out.seen[0].at - NOW;
    assert(at >= 1_200 && at <= 1_300 + SOON_MS, `closed at ${at}`);
    input.end();
    await running;
  });

  Deno.test(`time stands still while an input has something to read, though all of it is dropped, on ${on}`, async () => {
    await using run = start({ workers, before: (items) => items.filter(({ key }) => key === "a") });
    run.input.push(item(10_300));
    await run.pass(100);
    run.input.filler = () => [item(0, "dropped")];
    run.input.wake();
    await run.pass(50, 5);
    await run.pass(LONG);
    assertEquals(run.closed(), []);
    run.input.push(item(10_600));
    run.input.filler = null;
    await run.pass(200);
    assertEquals([run.closed(), run.lateTimes()], [[], []]);
    await run.pass(1_000);
    assertEquals([run.counts.items, run.lateTimes()], [[["a", 2]], []]);
    await run.end();
  });

  Deno.test(`time stands still while a second input is busy, on ${on}`, async () => {
    const other = new FedInput<Item>();
    await using run = start({
      workers,
      before: (items, flow) =>
        items.merge(flow.input("other", other).filter(({ key }) => key === "a")),
    });
    run.input.push(item(10_300));
    await run.pass(100);
    other.filler = () => [item(0, "dropped")];
    other.wake();
    await run.pass(50, 5);
    await run.pass(LONG);
    assertEquals(run.closed(), []);
    other.filler = null;
    await run.pass(1_000);
    assertEquals(run.counts.items, [["a", 1]]);
    other.end();
    await run.end();
  });

  Deno.test(`time stands still while an input returns nothing and is not idle, on ${on}`, async () => {
    await using run = start({ workers });
    run.input.idle = false;
    run.input.push(item(10_300));
    await run.pass(LONG);
    assertEquals(run.closed(), []);
    run.input.idle = true;
    run.input.wake();
    await run.pass(1_000);
    assertClosed(run.closed(), LONG + 700);
    await run.end();
  });

  Deno.test(`time stands still when an input that was idle is so no more, on ${on}`, async () => {
    await using run = start({ workers });
    run.input.push(item(10_300));
    await run.pass(300);
    run.input.idle = false;
    run.input.wake();
    await run.pass(LONG);
    assertEquals(run.closed(), []);
    run.input.idle = true;
    run.input.wake();
    await run.pass(1_000);
    assertClosed(run.closed(), LONG + 700 - TOLD_AFTER_MS);
    await run.end();
  });

  Deno.test(`time stands still while mapAsync works on an item, on ${on}`, async () => {
    const pending: (() => void)[] = [];
    await using run = start({
      workers,
      before: (items) =>
        items.mapAsync(async (item) => {
          if (item.time === 10_600) await new Promise<void>((resolve) => pending.push(resolve));
          return item;
        }),
    });
    run.input.push(item(10_300));
    await run.pass(100);
    run.input.push(item(10_600));
    await run.pass(LONG);
    assertEquals(run.closed(), []);
    for (const done of pending) done();
    await run.pass(2_000);
    assertEquals([run.counts.items, run.lateTimes()], [[["a", 2]], []]);
    await run.end();
  });
}

Deno.test("quiet time is what passes, whatever the clock is set to", async () => {
  for (const set of [-3_600_000, 3_600_000]) {
    const clock = new TestClock(NOW);
    const shown = new SetClock(clock);
    await using run = start({ clock, shown, wait: 120_000 });
    run.input.push(item(10_300));
    await run.pass(30_000, 1_000);
    shown.set = set;
    await run.pass(90_600, 1_000);
    assertEquals(run.closed(), []);
    await run.pass(500);
    assertClosed(run.closed(), 120_700);
    await run.end();
  }
});

Deno.test("time stands still while a step upstream of the windows is slow and holds up the worker", async () => {
  const clock = new TestClock(NOW);
  await using run = start({
    clock,
    before: (items) =>
      items.map((item) => {
        if (item.time === 10_600) clock.advance(5_000);
        return item;
      }),
  });
  run.input.push(item(10_300));
  await run.pass(100);
  run.input.push(item(10_600));
  await run.pass(5_000);
  assertEquals([run.counts.items, run.lateTimes()], [[["a", 2]], []]);
  await run.end();
});

/** More items than a channel and the one downstream hold. */
const FLOOD = 30_000;

Deno.test("time stands still while the output of the windows is blocked", async () => {
  await using run = start();
  const flood = Array.from({ length: FLOOD }, (_, n) => item(500, `k${n}`));
  run.counts.block();
  run.input.push(...flood, item(10_300));
  await eventually(() => run.clock.sleeps.includes(NOW + 500), "the flood is in its windows");
  await run.pass(1_500); // all of the flood is due after 500, and blocks the output
  run.input.push(item(10_600));
  await run.pass(LONG);
  run.counts.unblock();
  await eventually(() => run.counts.items.length === FLOOD, "the flood is out");
  run.input.push(item(10_700));
  await run.pass(5_000);
  assertEquals(run.lateTimes(), []);
  assertEquals(run.counts.items.filter(([key]) => key === "a"), [["a", 3]]);
  await run.end();
});

Deno.test("time stands still for one branch while the output of another is blocked and holds up the input", async () => {
  const clock = new TestClock(NOW);
  const other = new TimedOutput<Item>(clock);
  await using run = start({
    clock,
    before: (items) => {
      const [windows, rest] = items.branch(({ key }) => key === "a");
      rest.capture("other", other);
      return windows;
    },
  });
  run.input.push(item(10_300));
  await run.pass(100);
  other.block();
  for (let n = 0; n < 30; n++) {
    run.input.push(...Array.from({ length: 1_000 }, () => item(0, "other")));
    await run.pass(0);
  }
  run.input.push(item(10_600)); // downstream of what blocks
  await run.pass(LONG);
  assertEquals(run.closed(), []);
  other.unblock();
  await run.pass(100);
  assertEquals(run.lateTimes(), []);
  await run.pass(2_000);
  assertEquals(run.counts.items, [["a", 2]]);
  await run.end();
});

Deno.test("time stands still for a window step while what is for it waits in a merge that is blocked", async () => {
  const clock = new TestClock(NOW);
  const other = new TimedOutput<Item>(clock);
  const second = new FedInput<Item>();
  await using run = start({
    clock,
    before: (items, flow) => {
      const [windows, rest] = items.merge(flow.input("second", second))
        .branch(({ key }) => key === "a");
      rest.capture("other", other);
      return windows;
    },
  });
  run.input.push(item(10_300));
  await run.pass(100);
  other.block();
  // fills the output's channel, and no more than a part of the merge's
  for (let n = 0; n < 12; n++) {
    run.input.push(...Array.from({ length: 1_000 }, () => item(0, "other")));
    await run.pass(0);
  }
  run.input.push(item(10_600));
  await run.pass(LONG);
  assertEquals(run.closed(), []);
  other.unblock();
  await run.pass(2_000);
  assertEquals([run.counts.items, run.lateTimes()], [[["a", 2]], []]);
  second.end();
  await run.end();
});
