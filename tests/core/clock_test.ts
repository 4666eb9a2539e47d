import { assert, assertEquals } from "@std/assert";
import { elapsedOf, systemClock, waitFor, wakeAfter } from "../../src/core/clock.ts";
import { Machine } from "../support/clock/machine.ts";
import { SetClock } from "../support/clock/set_clock.ts";
import { TestClock } from "../support/clock/test_clock.ts";

Deno.test("systemClock returns the system's time", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert(before <= now && now <= Date.now());
});

Deno.test("systemClock wakes once at the time, and immediately if the time has passed", async () => {
  let woken = 0;
  await new Promise<void>((resolve) =>
    systemClock.wakeAt(systemClock.now() - 1_000, () => {
      woken++;
      resolve();
    })
  );
  assertEquals(woken, 1);
});

Deno.test("systemClock does not wake when the call was cancelled", async () => {
  let woken = 0;
  const cancel = systemClock.wakeAt(systemClock.now(), () => woken++);
  cancel();
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 2));
  assertEquals(woken, 0);
});

Deno.test("systemClock wakes at the time, also after years, and not before", () => {
  for (const ms of [1, 999, 1_000, 60_500, 2 ** 31 + 5]) {
    using machine = new Machine();
    let woken = 0;
    systemClock.wakeAt(Date.now() + ms, () => woken++);
    machine.pass(ms - 1);
    assertEquals(woken, 0);
    machine.pass(1);
    assertEquals(woken, 1);
  }
});

Deno.test("systemClock wakes when the time that was left has passed, though it was set back", () => {
  using machine = new Machine();
  let woken = 0;
  systemClock.wakeAt(Date.now() + 10_000, () => woken++);
  machine.pass(4_000);
  machine.set = -3_600_000;
  machine.pass(5_999);
  assertEquals(woken, 0);
  machine.pass(1);
  assertEquals(woken, 1);
});

Deno.test("systemClock wakes within a second when it was set forward, as after a suspend", () => {
  using machine = new Machine();
  let woken = 0;
  systemClock.wakeAt(Date.now() + 3_600_000, () => woken++);
  machine.pass(4_500);
  assertEquals(woken, 0);
  machine.set = 3_600_000;
  machine.pass(1_000);
  assertEquals(woken, 1);
});

Deno.test("systemClock does not wake when the call was cancelled after some looks", () => {
  using machine = new Machine();
  let woken = 0;
  const cancel = systemClock.wakeAt(Date.now() + 10_000, () => woken++);
  machine.pass(4_500);
  cancel();
  machine.pass(60_000);
  assertEquals(woken, 0);
});

Deno.test("wakeAfter wakes when the time has passed, whatever the clock is set to", () => {
  for (const set of [-3_600_000, 3_600_000]) {
    using machine = new Machine();
    let woken = 0;
    wakeAfter(systemClock, 10_000, () => woken++);
    machine.pass(4_000);
    machine.set = set;
    machine.pass(5_999);
    assertEquals(woken, 0);
    machine.pass(1);
    assertEquals(woken, 1);
  }
});

Deno.test("wakeAfter can be cancelled, also after a sleep that ended early", () => {
  const passing = new TestClock();
  const clock = new SetClock(passing);
  let woken = 0;
  const cancel = wakeAfter(
    { ...hastyClock(clock, passing), elapsed: () => passing.at },
    10_000,
    () => woken++,
  );
  passing.advance(5_000);
  cancel();
  passing.advance(10_000);
  assertEquals([woken, passing.sleeps], [0, []]);
});

Deno.test("wakeAfter uses now() of a clock without elapsed()", () => {
  const clock = new TestClock(1_000);
  let woken = 0;
  wakeAfter(clock, 500, () => woken++);
  clock.advance(499);
  assertEquals([woken, elapsedOf(clock)], [0, 1_499]);
  clock.advance(1);
  assertEquals(woken, 1);
});

Deno.test("waitFor resolves when the time has passed, and not before", async () => {
  const clock = new TestClock(1_000);
  let isOver = false;
  const waiting = waitFor(clock, 500).then(() => isOver = true);
  clock.advance(499);
  await Promise.resolve();
  assertEquals(isOver, false);
  clock.advance(1);
  await waiting;
});

Deno.test("waitFor tells a time that was cut short, and leaves no timer or listener", async () => {
  const clock = new TestClock(1_000);
  const aborting = new AbortController();
  const whole = waitFor(clock, 500, aborting.signal);
  clock.advance(500);
  assertEquals(await whole, true);
  const cut = waitFor(clock, 500, aborting.signal);
  aborting.abort();
  assertEquals([await cut, clock.sleeps], [false, []]);
  assertEquals(await waitFor(clock, 500, aborting.signal), false);
});

/** A clock whose sleeps end early. */
function hastyClock(clock: SetClock, passing: TestClock) {
  return {
    now: () => clock.now(),
    wakeAt: (at: number, wake: () => void) => clock.wakeAt(Math.min(at, passing.at + 100), wake),
  };
}
