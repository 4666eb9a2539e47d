import { assertEquals } from "@std/assert";
import { RunClock } from "../../src/core/run_clock.ts";
import { TaskLoop } from "../../src/runtime/task_loop.ts";
import type { Task } from "../../src/runtime/tasks/task.ts";

/** A task that never has work, and counts how often it is run. */
class Waiting implements Task {
  readonly stepId = "waiting";
  readonly waits = null;
  readonly queued = 0;
  runs = 0;
  readonly #wakeTime: number;

  constructor(wakeTime: number) {
    this.#wakeTime = wakeTime;
  }

  run(): boolean {
    this.runs++;
    return false;
  }

  wakeTime(): number {
    return this.#wakeTime;
  }
}

const flush = (): void => {};

Deno.test("TaskLoop goes on where its clock wakes before it returns", async () => {
  const clock = new RunClock({
    now: () => 0,
    wakeAt: (_at, wake) => {
      wake();
      return () => {};
    },
  });
  const task = new Waiting(0);
  await new TaskLoop(clock).run([task], () => task.runs === 3, flush);
  assertEquals(task.runs, 3);
});

Deno.test("TaskLoop goes through its tasks once for all that wakes it in one sleep, and again for the next", async () => {
  let cancelled = 0;
  const clock = new RunClock({ now: () => 0, wakeAt: () => () => cancelled++ });
  const loop = new TaskLoop(clock);
  const task = new Waiting(1);
  const running = loop.run([task], () => task.runs === 3, flush);
  for (let runs = 1; runs < 3; runs++) {
    assertEquals([task.runs, cancelled], [runs, runs - 1]);
    for (let n = 0; n < 3; n++) loop.wake();
    await Promise.resolve();
    await Promise.resolve();
  }
  await running;
  assertEquals([task.runs, cancelled], [3, 2]);
});

Deno.test("TaskLoop does not sleep where it was woken while its tasks ran", async () => {
  const loop = new TaskLoop(new RunClock({ now: () => 0, wakeAt: () => () => {} }));
  let runs = 0;
  const task: Task = {
    stepId: "waking",
    waits: null,
    queued: 0,
    run: () => {
      runs++;
      loop.wake();
      return false;
    },
    wakeTime: () => Infinity,
  };
  await loop.run([task], () => runs === 3, flush);
  assertEquals(runs, 3);
});

Deno.test("TaskLoop tells what its tasks have spent their time on", async () => {
  let now = 0;
  const loop = new TaskLoop(new RunClock({ now: () => 0, wakeAt: () => () => {} }), () => now);
  assertEquals(loop.times(), { tasks: [], ms: 0 });
  /** A task whose turns take this long; `null` is one without work, after which it waits. */
  const task = (turns: (number | null)[], waits: Task["waits"] = null): Task => ({
    stepId: "",
    queued: 0,
    waits,
    wakeTime: () => Infinity,
    run: () => {
      const ms = turns.shift() ?? null;
      now += ms ?? 0;
      return ms !== null;
    },
  });
  const tasks = [task([2, 30, 1]), task([5, null, 4], "room"), task([null, 6], "calls"), task([])];
  await loop.run(tasks, () => now === 48, flush);
  // Its three rounds begin at 0, 7 and 43.
  now = 50;
  assertEquals(loop.times(), {
    tasks: [
      { busyMs: 33, backpressuredMs: 0 },
      { busyMs: 9, backpressuredMs: 36 },
      { busyMs: 7 + 6 + 7, backpressuredMs: 0 },
      { busyMs: 0, backpressuredMs: 0 },
    ],
    ms: 50,
  });
});

Deno.test("TaskLoop measures one of sixteen short rounds, and shares out the time of the others", async () => {
  let now = 0;
  let looks = 0;
  const clock = new RunClock({ now: () => 0, wakeAt: () => () => {} });
  const loop = new TaskLoop(clock, () => {
    looks++;
    return now;
  });
  let turns = 0;
  /** A task whose turns take this part of a millisecond. */
  const task = (part: number): Task => ({
    stepId: "",
    queued: 0,
    waits: null,
    wakeTime: () => Infinity,
    run: () => {
      turns++;
      now += part;
      return true;
    },
  });
  await loop.run([task(3 / 64), task(1 / 64)], () => turns >= 2 * 160, flush);
  const { tasks: [first, second], ms } = loop.times();
  assertEquals([first.busyMs / second.busyMs, ms], [3, turns / 2 / 16]);
  // Up to the round that was measured last.
  assertEquals(first.busyMs + second.busyMs > ms - 1, true);
  assertEquals(looks < turns / 2 * 1.25, true); // and not two for each round
});

Deno.test("TaskLoop gives slow items to the task that had them, also in rounds that are not measured", async () => {
  let now = 0;
  const loop = new TaskLoop(new RunClock({ now: () => 0, wakeAt: () => () => {} }), () => now);
  let rounds = 0;
  const task = (run: () => boolean): Task => ({
    stepId: "",
    queued: 0,
    waits: null,
    wakeTime: () => Infinity,
    run,
  });
  const works = (ms: number) => {
    now += ms;
    return true;
  };
  let slowMs = 0;
  const slowly = () => {
    slowMs += 1_000;
    return works(1_000);
  };
  // The second has a slow item alone in round 5, and with the first in rounds 100, 200 and so on.
  const first = task(() => rounds % 2 === 0 && works(1 / 64));
  const second = task(() => rounds === 5 || rounds % 100 === 0 ? slowly() : works(1 / 64));
  const counter = task(() => {
    rounds++;
    return false;
  });
  await loop.run([counter, first, second], () => rounds >= 1_050, flush);
  const [, fast, slow] = loop.times().tasks.map(({ busyMs }) => Math.round(busyMs / 1_000));
  assertEquals([fast, slow], [0, slowMs / 1_000]);
});

Deno.test("TaskLoop looks at its clock before a round and after one with work, not more often", async () => {
  let looks = 0;
  const loop = new TaskLoop(new RunClock({ now: () => 0, wakeAt: () => () => {} }), () => {
    looks++;
    return 0;
  });
  let runs = 0;
  const task: Task = {
    stepId: "",
    queued: 0,
    waits: null,
    wakeTime: () => Infinity,
    run: () => {
      const works = ++runs % 2 === 1;
      if (!works) queueMicrotask(() => loop.wake());
      return works;
    },
  };
  await loop.run([task], () => runs === 1_000, flush);
  assertEquals(looks <= 2 * 500 + 1, true, `${looks} looks`);
});

Deno.test("TaskLoop knows what tasks wait for while it sleeps, also after short rounds", async () => {
  let now = 0;
  const loop = new TaskLoop(
    new RunClock({ now: () => 0, wakeAt: () => () => {} }),
    () => now,
  );
  let turns = 0;
  const task: Task = {
    stepId: "",
    queued: 0,
    waits: "calls",
    wakeTime: () => Infinity,
    run: () => {
      if (++turns > 3) return false;
      now += 1 / 64;
      return true;
    },
  };
  const running = loop.run([task], () => turns > 4, flush);
  now += 100; // it sleeps
  assertEquals(loop.times().tasks[0].busyMs >= 100, true);
  loop.wake();
  await running;
});
