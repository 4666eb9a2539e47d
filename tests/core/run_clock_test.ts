import { assert, assertEquals } from "@std/assert";
import { RunClock } from "../../src/core/run_clock.ts";
import { SetClock } from "../support/clock/set_clock.ts";
import { TestClock } from "../support/clock/test_clock.ts";

const HOUR = 3_600_000;

function runClock() {
  const passing = new TestClock(10 * HOUR);
  const set = new SetClock(passing);
  const setBack: number[] = [];
  const clock = new RunClock(set, (ms) => setBack.push(ms));
  return { passing, set, clock, setBack };
}

Deno.test("RunClock follows a clock that runs, or is set forward", () => {
  const { passing, set, clock, setBack } = runClock();
  assertEquals(clock.now(), 10 * HOUR);
  passing.advance(5_000);
  assertEquals([clock.now(), clock.look()], [10 * HOUR + 5_000, 10 * HOUR + 5_000]);
  set.set = HOUR;
  assertEquals(clock.now(), 11 * HOUR + 5_000);
  assertEquals([clock.ahead(), setBack], [0, []]);
});

Deno.test("RunClock continues when the clock is set back, and reports it once", () => {
  const { passing, set, clock, setBack } = runClock();
  passing.advance(1_000);
  clock.look();
  passing.advance(1_000);
  set.set = -HOUR;
  assertEquals(clock.now(), 10 * HOUR + 2_000);
  assertEquals([clock.ahead(), setBack], [HOUR, [HOUR]]);
  passing.advance(16_000);
  assertEquals(clock.now(), 10 * HOUR + 17_000);
  passing.advance(16_000);
  assertEquals([clock.now(), setBack], [10 * HOUR + 32_000, [HOUR]]);
});

Deno.test("RunClock measures a sleep during which the clock was set back", () => {
  for (const back of [1_000, 30_000, HOUR]) {
    const { passing, set, clock, setBack } = runClock();
    clock.look();
    passing.advance(60_000);
    set.set = -back;
    assertEquals([clock.look(), setBack], [10 * HOUR + 60_000, [back]]);
  }
});

Deno.test("RunClock.watch measures that sleep too, also just after a look", () => {
  for (const since of [0, 0.5, 2]) {
    const { passing, set, clock, setBack } = runClock();
    passing.advance(since);
    clock.watch();
    set.set = -HOUR;
    passing.advance(60_000);
    clock.watch();
    assertEquals(setBack, [HOUR]);
    assertEquals(clock.now(), Math.floor(10 * HOUR + 60_000 + since));
  }
});

Deno.test("RunClock.watch reports a clock that measures durations too and was set back", () => {
  let time = 10 * HOUR;
  const setBack: number[] = [];
  const clock = new RunClock({ now: () => time, wakeAt: () => () => {} }, (ms) => setBack.push(ms));
  time -= HOUR;
  clock.watch();
  assertEquals(setBack, [HOUR]);
});

Deno.test("RunClock.watch reads one clock only where little time has passed", () => {
  let reads = 0;
  const clock = new RunClock({ now: () => ++reads, elapsed: () => 0.5, wakeAt: () => () => {} });
  reads = 0;
  for (let i = 0; i < 1_000; i++) clock.watch();
  assertEquals(reads, 0);
});

Deno.test("RunClock meets a clock that was set back an hour within 16 hours", () => {
  const { passing, set, clock } = runClock();
  set.set = -HOUR;
  let last = clock.look();
  for (let minute = 0; minute < 16 * 60; minute++) {
    assert(clock.ahead() > 0);
    passing.advance(60_000);
    const now = clock.now();
    assertEquals(now - last, 60_000 * 15 / 16);
    last = now;
  }
  assertEquals([clock.now(), clock.ahead()], [set.now(), 0]);
  passing.advance(60_000);
  assertEquals(clock.now(), set.now());
});

Deno.test("RunClock is set back twice, and then forward to where it would be", () => {
  const { passing, set, clock, setBack } = runClock();
  set.set = -HOUR;
  clock.look();
  set.set = -3 * HOUR;
  assertEquals([clock.now(), setBack], [10 * HOUR, [HOUR, 3 * HOUR]]);
  passing.advance(1_600);
  set.set = 0;
  assertEquals([clock.now(), clock.ahead()], [10 * HOUR + 1_600, 0]);
});

Deno.test("RunClock does not go back by the little that two clocks differ", () => {
  const { passing, set, clock, setBack } = runClock();
  for (const ms of [-1, -5, -30, -90]) {
    const before = clock.now();
    passing.advance(10);
    set.set = ms;
    assertEquals(clock.look(), Math.max(before, set.now()));
  }
  assertEquals([clock.ahead(), setBack], [0, []]);
});

/** When a busy machine stops the process: around the reading of a clock. */
const STOPS = ["before now", "after now", "before elapsed", "after elapsed"] as const;

for (const stop of STOPS) {
  Deno.test(`RunClock does not take it for a clock set back if the process stands still ${stop}`, () => {
    const passing = new TestClock(10 * HOUR);
    let isStopped = true;
    const standStill = (where: typeof STOPS[number]) => {
      if (isStopped && where === stop) passing.advance(5_000);
    };
    const read = (which: "now" | "elapsed") => () => {
      standStill(`before ${which}`);
      const { at } = passing;
      standStill(`after ${which}`);
      return at;
    };
    const wakeAt = () => () => {};
    const setBack: number[] = [];
    const clocks = { now: read("now"), elapsed: read("elapsed"), wakeAt };
    const clock = new RunClock(clocks, (ms) => setBack.push(ms));
    for (let look = 0; look < 6; look++) {
      isStopped = look % 2 === 0; // so the loop sees each of the two follow the other
      clock.look();
    }
    assertEquals([clock.now(), clock.ahead(), setBack], [passing.at, 0, []]);
  });
}

Deno.test("RunClock begins at a time that it is to reach, however long after it was made", () => {
  const { passing, clock } = runClock();
  passing.advance(16_000);
  clock.reach(12 * HOUR);
  assertEquals(clock.now(), 12 * HOUR);
  passing.advance(16_000);
  assertEquals(clock.now(), 12 * HOUR + 15_000);
});

Deno.test("RunClock continues from a time that the clock has not reached yet", () => {
  const { passing, clock, setBack } = runClock();
  clock.reach(9 * HOUR);
  assertEquals([clock.now(), setBack], [10 * HOUR, []]);
  clock.reach(12 * HOUR);
  assertEquals([clock.now(), clock.ahead(), setBack], [12 * HOUR, 2 * HOUR, [2 * HOUR]]);
  passing.advance(16_000);
  assertEquals(clock.now(), 12 * HOUR + 15_000);
});

Deno.test("RunClock wakes when the time that was left has passed, though the clock was set back", () => {
  const { passing, set, clock } = runClock();
  const woken: number[] = [];
  clock.wakeAt(clock.now() + 4_000, () => woken.push(passing.at - 10 * HOUR));
  set.set = -HOUR;
  clock.wakeAt(clock.look() + 5_000, () => woken.push(passing.at - 10 * HOUR));
  passing.advance(4_999);
  assertEquals(woken, [4_000]);
  passing.advance(1);
  assertEquals(woken, [4_000, 5_000]);
});

Deno.test("RunClock stands still while nothing measures the time, and then continues", () => {
  let now = 10 * HOUR;
  const clock = new RunClock({ now: () => now, wakeAt: () => () => {} });
  now -= HOUR;
  assertEquals([clock.now(), clock.elapsed()], [10 * HOUR, 9 * HOUR]);
  now += 16_000;
  assertEquals(clock.now(), 10 * HOUR + 15_000);
});
