import { assertEquals, assertStringIncludes } from "@std/assert";
import type { InputReader } from "../../../mod.ts";
import { Outlet } from "../../../src/runtime/outlet.ts";
import { SourceTask } from "../../../src/runtime/tasks/source_task.ts";
import { InputAlignment } from "../../../src/runtime/time/source_alignment.ts";
import { SourceTimes } from "../../../src/runtime/time/source_times.ts";
import type { TaskHost } from "../../../src/runtime/tasks/task.ts";
import { idle } from "../../support/eventually.ts";
import {
  drain,
  paceOf,
  plainOutlet,
  roomyChannel,
  taskHost,
} from "../../support/runtime/task_host.ts";

/** A source of which every item is dropped, and whose input a test holds in its hands. */
function source(
  { tellsActivity = true, answers = true, alignment = null }: {
    tellsActivity?: boolean;
    answers?: boolean;
    alignment?: InputAlignment | null;
  } = {},
) {
  let [now, next, resolve] = [0, [] as number[] | null, () => {}];
  let isIdle: boolean | number = true;
  const asked: string[] = [];
  const output = roomyChannel();
  const dropAll = (_batch: readonly unknown[], _from: number, to: number) => to;
  const outlet = new Outlet(dropAll, [output], paceOf(64), { emit: () => {}, snapshot: () => {} });
  const task = new SourceTask(
    "in",
    {
      next: () => next,
      ready: () => {
        asked.push("ready");
        return new Promise<void>((done) => resolve = done);
      },
      ...answers
        ? {
          idle: () => {
            asked.push("idle");
            return isIdle;
          },
        }
        : {},
      positions: () => new Map(),
      close: () => Promise.resolve(),
    },
    outlet,
    taskHost(() => now),
    { epoch: 0, tellsActivity, alignment },
  );
  return {
    task,
    output,
    asked,
    /** What is sent at `at`, where the input has something or not, and whether the task worked. */
    async run(
      at: number,
      items: "items" | "nothing",
      idle: boolean | number = true,
    ): Promise<[boolean, unknown[]]> {
      now = at;
      next = items === "items" ? [1] : [];
      isIdle = idle;
      resolve();
      await new Promise((done) => setTimeout(done, 0));
      return [task.run(), drain(output)];
    },
    /** The same where the input is not ready. */
    wait(at: number): [boolean, unknown[]] {
      now = at;
      return [task.run(), drain(output)];
    },
  };
}

Deno.test("a source says that it is idle once, and has the others look before the worker sleeps", async () => {
  const { run } = source();
  assertEquals(await run(0, "nothing"), [true, ["idle"]]);
  assertEquals(await run(20, "nothing"), [false, []]);
});

Deno.test("a source says that it reads when it does so for 10 ms", async () => {
  const { run } = source();
  await run(0, "nothing");
  assertEquals(await run(100, "items"), [true, []]);
  assertEquals(await run(109, "items"), [true, []]);
  assertEquals(await run(110, "items"), [true, ["active"]]);
  assertEquals(await run(150, "items"), [true, []]);
  assertEquals(await run(200, "nothing"), [true, ["idle"]]);
});

Deno.test("a source says nothing of single batches", async () => {
  const { run } = source();
  await run(0, "nothing");
  for (let at = 100; at < 2_000; at += 100) {
    assertEquals((await run(at, "items"))[1], []);
    assertEquals((await run(at + 5, "nothing"))[1], []);
  }
});

Deno.test("a source says that it reads, after 10 ms, when its input has nothing and is not idle", async () => {
  const { run, task, output } = source();
  await run(0, "nothing");
  assertEquals(await run(100, "nothing", false), [false, []]);
  assertEquals(task.wakeTime(), 110);
  assertEquals(await run(110, "nothing", false), [true, ["active"]]);
  assertEquals(await run(120, "nothing", false), [false, []]);
  assertEquals(await run(140, "nothing"), [false, []]); // it pauses: it was woken for nothing
  assertEquals(await run(160, "nothing"), [true, ["idle"]]);
  assertEquals(drain(output), []);
});

Deno.test("a source that waits for others says that it reads, after 10 ms", async () => {
  const times = new SourceTimes({
    origins: ["in on worker 0"],
    steps: new Map(),
    worker: 0,
    workers: 1,
    isInOrder: false,
  });
  const step = { times, origins: new Set(["in on worker 0"]), driftMs: 0 };
  const alignment = new InputAlignment("in on worker 0", (name) => name, () => [step]);
  const { run, wait, task } = source({ alignment });
  await run(0, "nothing"); // first it names its sources
  const states = [["in on worker 0", "behind"], ["other", "behind"]] as const;
  times.tick({ kind: "tick", origin: "in on worker 0", number: 1, states });
  assertEquals((await run(0, "nothing"))[1], ["idle", "tick"]);
  assertEquals(await run(100, "items"), [true, ["from"]]);
  times.from("in on worker 0", "in on worker 0", 1);
  times.event.see(10);
  times.tick({ kind: "tick", origin: "in on worker 0", number: 2, states: [] });
  assertEquals(await run(101, "items"), [true, ["tick"]]); // "other" has come less far
  assertEquals(task.wakeTime(), 110);
  assertEquals(wait(110), [true, ["active"]]);
  times.from("other", "in on worker 0", 2);
  times.event.see(10);
  times.tick({ kind: "tick", origin: "in on worker 0", number: 3, states: [] });
  assertEquals(alignment.isHeld, true);
  alignment.look();
  assertEquals(wait(120)[0], true);
});

Deno.test("a source that was never idle need not say that it reads", async () => {
  const { run } = source();
  assertEquals(await run(0, "items"), [true, []]);
  assertEquals(await run(1_000, "nothing", false), [false, []]);
  assertEquals(await run(2_000, "items"), [true, []]);
});

Deno.test("a source asks whether its input is idle before it asks when it is ready", async () => {
  const { run, asked } = source();
  await run(0, "nothing");
  assertEquals(asked, ["idle", "ready"]);
});

Deno.test("a source counts as idle when its input has given nothing for as long as it asks for", async () => {
  const { run, wait, task } = source();
  assertEquals(await run(0, "nothing", 500), [false, []]);
  assertEquals(task.wakeTime(), 500);
  assertEquals(wait(499), [false, []]);
  assertEquals(await run(499, "items"), [true, []]);
  assertEquals(await run(600, "nothing", 500), [false, []]);
  assertEquals(task.wakeTime(), 1_100);
  assertEquals(await run(800, "nothing", 500), [false, []]); // woken for nothing: no item came
  assertEquals(wait(1_099), [false, []]);
  assertEquals(wait(1_100), [true, ["idle"]]);
  assertEquals(wait(2_000), [false, []]);
  assertEquals(task.wakeTime(), Infinity);
});

Deno.test("a source that was idle says that it is so no more when its input begins to wait again", async () => {
  const { run, wait, task } = source();
  await run(0, "nothing", 0);
  assertEquals(await run(100, "items"), [true, []]);
  assertEquals(await run(101, "nothing", 500), [false, []]);
  assertEquals(task.wakeTime(), 110);
  assertEquals(wait(110), [true, ["active"]]);
  assertEquals(task.wakeTime(), 601);
  assertEquals(wait(601), [true, ["idle"]]);
});

Deno.test("an input that asks for no time is idle at once", async () => {
  const { run } = source();
  assertEquals(await run(0, "nothing", 0), [true, ["idle"]]);
});

Deno.test("an input that does not say whether it is idle is so after 10 seconds", async () => {
  const { run, wait } = source({ answers: false });
  assertEquals(await run(0, "nothing"), [false, []]);
  for (let at = 1_000; at < 10_000; at += 1_000) assertEquals(wait(at), [false, []]);
  assertEquals(wait(9_999), [false, []]);
  assertEquals(wait(10_000), [true, ["idle"]]);
});

Deno.test("an input counts as idle by the time in which the process could have read it", async () => {
  const { run, wait, task } = source();
  assertEquals(await run(0, "nothing", 2_000), [false, []]);
  assertEquals(task.wakeTime(), 1_000); // it looks once a second
  assertEquals(wait(3_600_000), [false, []]); // the process was stopped for an hour
  assertEquals(task.wakeTime(), 3_600_500);
  assertEquals(wait(3_600_500), [true, ["idle"]]);
});

Deno.test("a source says nothing where nobody wants to know", async () => {
  const { run, task, asked } = source({ tellsActivity: false });
  assertEquals(await run(0, "nothing"), [false, []]);
  assertEquals(await run(100, "items"), [true, []]);
  assertEquals(await run(200, "items"), [true, []]);
  assertEquals(await run(300, "nothing", false), [false, []]);
  assertEquals(task.wakeTime(), Infinity);
  assertEquals(asked.includes("idle"), false);
});

/** A source without items, and what its input was told of committed epochs. */
function committing(committed: (epoch: number) => Promise<void> = () => Promise.resolve()) {
  const told: string[] = [];
  let epoch = 0;
  const task = new SourceTask(
    "in",
    {
      next: () => [],
      ready: () => new Promise<void>(() => {}),
      positions: () => new Map([["end of", epoch]]),
      committed: async (positions) => {
        const of = positions.get("end of") as number;
        told.push(`begins ${of}`);
        await committed(of);
        told.push(`ends ${of}`);
      },
      close: () => Promise.resolve(),
    },
    new Outlet(null, [roomyChannel()], paceOf(64), { emit: () => {}, snapshot: () => {} }),
    taskHost(),
    { epoch: 0, tellsActivity: false },
  );
  return {
    task,
    told,
    /** Ends an epoch, or by `stop` the last one. */
    close(at: number, how: "trigger" | "stop" = "trigger"): void {
      epoch = at;
      if (how === "stop") task.stop();
      else task.trigger(at);
      task.run();
    },
  };
}

Deno.test("a source that ended before the epoch that is committed tells its input how far it came", async () => {
  const { task, told, close } = committing();
  close(0);
  await task.commit(0);
  close(1, "stop");
  await task.commit(4);
  await task.commit(5);
  assertEquals(told, ["begins 0", "ends 0", "begins 1", "ends 1"]);
});

Deno.test("an epoch that is committed after the source has closed the next one is told of", async () => {
  const { task, told, close } = committing();
  close(0);
  close(1);
  await task.commit(0);
  await task.commit(1);
  assertEquals(told, ["begins 0", "ends 0", "begins 1", "ends 1"]);
});

Deno.test("an input is told of one committed epoch at a time, and not of those that are outdated", async () => {
  const slow = Promise.withResolvers<void>();
  const { task, told, close } = committing((epoch) =>
    epoch === 0 ? slow.promise : Promise.resolve()
  );
  close(0);
  const commits = [task.commit(0)];
  await new Promise((done) => setTimeout(done, 0));
  for (const epoch of [1, 2]) {
    close(epoch);
    commits.push(task.commit(epoch));
  }
  await new Promise((done) => setTimeout(done, 0));
  assertEquals(told, ["begins 0"]);
  slow.resolve();
  await Promise.all(commits);
  assertEquals(told, ["begins 0", "ends 0", "begins 2", "ends 2"]);
});

/** A source over `reader`, and what it tells. */
function sourceOf(reader: Partial<InputReader<unknown>>, isEndless = false) {
  const output = roomyChannel();
  const told: string[] = [];
  const host: TaskHost = {
    ...taskHost(),
    inputFailed: (error) => void told.push(`failed: ${error.cause}`),
    ended: (_, stopped) => void told.push(stopped ? "stopped" : "ended"),
  };
  const task = new SourceTask(
    "in",
    {
      next: () => [],
      ready: () => Promise.resolve(),
      positions: () => new Map(),
      close: () => Promise.resolve(),
      ...reader,
    },
    plainOutlet(output),
    host,
    { epoch: 0, tellsActivity: false, isEndless },
  );
  return { task, output, told };
}

Deno.test("a source that is stopped asks its input for what it has taken, and then ends as stopped", () => {
  const batches = [[1], [2], [3], null];
  let stops = 0;
  const { task, output, told } = sourceOf({
    next: () => batches.shift()!,
    stop: () => void stops++,
  });
  task.run();
  task.stop();
  task.stop();
  task.run();
  task.trigger(0); // an epoch may end meanwhile
  for (let turn = 0; turn < 4; turn++) task.run();
  assertEquals(drain(output), [[1], [2], "barrier", [3], "end"]);
  assertEquals([stops, told, task.run()], [1, ["stopped"], false]);
});

Deno.test("a source that is stopped waits for what its input is about to hand out", async () => {
  let next: number[] | null = [];
  let ready = Promise.withResolvers<void>();
  const { task, output, told } = sourceOf({
    next: () => next,
    ready: () => ready.promise,
    stop: () => {},
  });
  task.run();
  task.stop();
  assertEquals([task.run(), told], [false, []]);
  const answer = async (batch: number[] | null): Promise<void> => {
    next = batch;
    ready.resolve();
    ready = Promise.withResolvers();
    await idle(1);
    task.run();
  };
  await answer([1]);
  await answer([]);
  await answer(null);
  assertEquals([drain(output), told], [[[1], "end"], ["stopped"]]);
});

Deno.test("a source that is stopped asks an input without stop() for nothing", () => {
  let asked = 0;
  const { task, output, told } = sourceOf({
    next: () => {
      asked++;
      return [asked];
    },
  });
  task.run();
  task.stop();
  task.run();
  assertEquals([drain(output), told, asked], [[[1], "end"], ["stopped"], 1]);
});

Deno.test("a source of a group fails if its input ends, unless it is being stopped", () => {
  const batches = [[1], null];
  const { task, output, told } = sourceOf({ next: () => batches.shift()! }, true);
  for (let turn = 0; turn < 3; turn++) task.run();
  assertEquals(drain(output), [[1]]);
  assertEquals(told.length, 1);
  assertStringIncludes(told[0], "the input has ended, and the inputs of a group must not");
  const stopped = sourceOf({ next: () => null, stop: () => {} }, true);
  stopped.task.stop();
  stopped.task.run();
  assertEquals([drain(stopped.output), stopped.told], [["end"], ["stopped"]]);
});

Deno.test("a source does not ask an input again that has failed, and ends when it is stopped", async () => {
  for (const how of ["next", "ready", "stop"]) {
    let calls = 0;
    const { task, output, told } = sourceOf({
      next: () => {
        calls++;
        if (how === "next") throw new Error("gone");
        return [];
      },
      ready: () => how === "ready" ? Promise.reject(new Error("gone")) : Promise.resolve(),
      stop: () => {
        if (how === "stop") throw new Error("gone");
      },
    });
    task.run();
    if (how === "stop") task.stop();
    await idle(1);
    assertEquals([told, drain(output)], [["failed: Error: gone"], []], how);
    for (let turn = 0; turn < 3; turn++) task.run();
    task.stop();
    task.run();
    assertEquals([calls, told.slice(1), drain(output)], [1, ["stopped"], ["end"]], how);
  }
});

Deno.test("a source tells its input the positions of an epoch's end, whatever the input does with them later", async () => {
  const position = { at: 1 };
  const all = new Map([["all", position]]);
  const committed: unknown[] = [];
  const { task } = sourceOf({
    positions: () => all,
    committed: (positions) => {
      committed.push([...positions]);
      return Promise.resolve();
    },
  });
  task.trigger(0);
  task.run();
  position.at = 2;
  all.set("more", position);
  await task.commit(0);
  assertEquals(committed, [[["all", { at: 1 }]]]);
});
