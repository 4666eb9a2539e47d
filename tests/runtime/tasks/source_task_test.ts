import { assertEquals } from "@std/assert";
import { Channel } from "../../../src/runtime/channel.ts";
import { Outlet } from "../../../src/runtime/outlet.ts";
import { Pace } from "../../../src/runtime/pace.ts";
import { SourceTask } from "../../../src/runtime/tasks/source_task.ts";
import { drain, taskHost } from "../../support/task_host.ts";

/** A source of which every item is dropped, and whose input a test holds in its hands. */
function source({ tellsActivity = true }: { tellsActivity?: boolean } = {}) {
  let [now, next, isIdle, resolve] = [0, [] as number[] | null, true, () => {}];
  const output = new Channel();
  const dropAll = (_batch: readonly unknown[], _from: number, to: number) => to;
  const outlet = new Outlet(dropAll, [output], new Pace(), { emit: () => {}, epochEnd: () => {} });
  const task = new SourceTask(
    "in",
    {
      next: () => next,
      ready: () => new Promise<void>((done) => resolve = done),
      idle: () => isIdle,
      positions: () => new Map(),
      close: () => Promise.resolve(),
    },
    outlet,
    taskHost(() => now),
    { epoch: 0, tellsActivity },
  );
  return {
    task,
    output,
    /** What is sent at `at`, where the input has something or not, and whether the task worked. */
    async run(at: number, items: "items" | "nothing", idle = true): Promise<[boolean, unknown[]]> {
      now = at;
      next = items === "items" ? [1] : [];
      isIdle = idle;
      resolve();
      await new Promise((done) => setTimeout(done, 0));
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

Deno.test("a source that was never idle need not say that it reads", async () => {
  const { run } = source();
  assertEquals(await run(0, "items"), [true, []]);
  assertEquals(await run(1_000, "nothing", false), [false, []]);
  assertEquals(await run(2_000, "items"), [true, []]);
});

Deno.test("a source says nothing where nobody wants to know", async () => {
  const { run, task } = source({ tellsActivity: false });
  assertEquals(await run(0, "nothing"), [false, []]);
  assertEquals(await run(100, "items"), [true, []]);
  assertEquals(await run(200, "items"), [true, []]);
  assertEquals(await run(300, "nothing", false), [false, []]);
  assertEquals(task.wakeTime(), Infinity);
});
