/**
 * Async iterators at a graceful stop. What they have yielded is read, and nothing more is asked
 * for.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { sourceOf } from "../../../src/connectors/manual/iterable_source.ts";
import { createLog, silentLog } from "../../../src/core/log.ts";
import { idle } from "../../support/eventually.ts";

/** Returns an async iterator that a test answers, once for each `next`. */
function answered() {
  const calls: string[] = [];
  const pending: PromiseWithResolvers<IteratorResult<unknown>>[] = [];
  const iterable = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        calls.push("next");
        pending.push(Promise.withResolvers());
        return pending.at(-1)!.promise;
      },
      return: () => {
        calls.push("return");
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  return {
    calls,
    iterable,
    /** Answers the pending `next`. */
    async answer(item: number): Promise<void> {
      pending.at(-1)!.resolve({ done: false, value: [item, item] });
      await idle();
    },
    async reject(error: unknown): Promise<void> {
      pending.at(-1)!.reject(error);
      await idle();
    },
  };
}

Deno.test("sourceOf() asks a stopped async iterator for no more, and adds all that it yielded", async () => {
  const { calls, iterable, answer } = answered();
  const source = sourceOf(iterable, "test", silentLog);
  const items: unknown[] = [];
  source.pull(items);
  await answer(1);
  await answer(2);
  source.stop();
  assertEquals([source.pull(items), items], [true, [1, 2]]);
  const ready = source.ready();
  await answer(3); // the answer to the pending `next`
  await ready;
  assertEquals([source.pull(items), source.pull(items), items], [true, false, [1, 2, 3]]);
  assertEquals(source.state, 3);
  assertEquals(calls, ["next", "next", "next"]);
  await source.close();
  assertEquals(calls.slice(3), ["return"]);
});

Deno.test("sourceOf() asks an async iterator for nothing when it is stopped before the first pull", async () => {
  const { calls, iterable } = answered();
  const source = sourceOf(iterable, "test", silentLog);
  source.stop();
  await source.ready();
  assertEquals(source.pull([]), false);
  await source.close();
  assertEquals(calls, ["return"]);
});

Deno.test("sourceOf() resolves the ready() that is pending when it is stopped and nothing is asked for", async () => {
  const source = sourceOf(answered().iterable, "test", silentLog);
  const ready = source.ready();
  source.stop();
  await ready;
  await source.close();
});

/** Runs `body` with timers that fire when it calls `elapse`. */
async function withTimers(body: (elapse: (ms: number) => void) => Promise<void>): Promise<void> {
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Map<number, { ms: number; run: () => void }>();
  let ids = 0;
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    if (ms === 0) return setTimeout(run, 0); // the next round of the event loop
    timers.set(--ids, { ms, run });
    return ids;
  }) as typeof setTimeout;
  globalThis.clearTimeout = (id) => {
    if (!timers.delete(id as number)) clearTimeout(id);
  };
  try {
    await body((by) => {
      for (const [id, timer] of [...timers]) {
        timer.ms -= by;
        if (timer.ms <= 0 && timers.delete(id)) timer.run();
      }
    });
    assertEquals(timers.size, 0, "a timer is left");
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

Deno.test("sourceOf() waits a second for the item that was asked for before the stop, and reports a later one", async () => {
  await withTimers(async (elapse) => {
    const { calls, iterable, answer } = answered();
    const lines: string[] = [];
    const log = createLog((level, message) => lines.push(`${level}: ${message}`));
    const source = sourceOf(iterable, "test", log);
    source.pull([]);
    source.stop();
    let isReady = false;
    const ready = source.ready().then(() => isReady = true);
    elapse(999);
    await idle();
    assertEquals([isReady, source.pull([])], [false, true]);
    elapse(1);
    await ready;
    assertEquals(source.pull([]), false);
    await answer(1);
    assertEquals(lines, [
      "warn: an async input yielded an item more than 1 s after the stop of the run: it is lost, " +
      "unless the next run reads it again",
    ]);
    await source.close();
    assertEquals(calls, ["next", "return"]);
  });
});

Deno.test("sourceOf() ends, with a warning, when an async iterator fails after the stop", async () => {
  const { calls, iterable, answer, reject } = answered();
  const lines: string[] = [];
  const log = createLog((level, message) => lines.push(`${level}: ${message}`));
  const source = sourceOf(iterable, "test", log);
  const items: unknown[] = [];
  source.pull(items);
  await answer(1);
  source.stop();
  await reject(new Error("aborted"));
  assertEquals([source.pull(items), source.pull(items), items], [true, false, [1]]);
  assertEquals(lines, [
    "warn: an async input failed while the run was being stopped: Error: aborted",
  ]);
  await source.close();
  assertEquals(calls, ["next", "next"]);
});

Deno.test("sourceOf() throws what an async iterator failed with before the stop", async () => {
  const { iterable, answer, reject } = answered();
  const source = sourceOf(iterable, "test", silentLog);
  const items: unknown[] = [];
  source.pull(items);
  await answer(1);
  await reject(new Error("gone"));
  source.stop();
  assertEquals([source.pull(items), items], [true, [1]]);
  assertThrows(() => source.pull(items), Error, "gone");
  await source.close();
});
