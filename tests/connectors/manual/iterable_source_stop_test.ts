/**
 * Async iterators at a graceful stop. What they have yielded is read, and nothing more is asked
 * for.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { pullerOf } from "../../../src/connectors/manual/iterable_source.ts";
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

Deno.test("pullerOf() asks a stopped async iterator for no more, and adds all that it yielded", async () => {
  const { calls, iterable, answer } = answered();
  const puller = pullerOf(iterable, "test", silentLog);
  const items: unknown[] = [];
  puller.pull(items);
  await answer(1);
  await answer(2);
  puller.stop();
  assertEquals([puller.pull(items), items], [true, [1, 2]]);
  const ready = puller.ready();
  await answer(3); // the answer to the pending `next`
  await ready;
  assertEquals([puller.pull(items), puller.pull(items), items], [true, false, [1, 2, 3]]);
  assertEquals(puller.state, 3);
  assertEquals(calls, ["next", "next", "next"]);
  await puller.close();
  assertEquals(calls.slice(3), ["return"]);
});

Deno.test("pullerOf() asks an async iterator for nothing when it is stopped before the first pull", async () => {
  const { calls, iterable } = answered();
  const puller = pullerOf(iterable, "test", silentLog);
  puller.stop();
  await puller.ready();
  assertEquals(puller.pull([]), false);
  await puller.close();
  assertEquals(calls, ["return"]);
});

Deno.test("pullerOf() resolves the ready() that is pending when it is stopped and nothing is asked for", async () => {
  const puller = pullerOf(answered().iterable, "test", silentLog);
  const ready = puller.ready();
  puller.stop();
  await ready;
  await puller.close();
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

Deno.test("pullerOf() waits a second for the item that was asked for before the stop, and reports a later one", async () => {
  await withTimers(async (elapse) => {
    const { calls, iterable, answer } = answered();
    const lines: string[] = [];
    const log = createLog((level, message) => lines.push(`${level}: ${message}`));
    const puller = pullerOf(iterable, "test", log);
    puller.pull([]);
    puller.stop();
    let isReady = false;
    const ready = puller.ready().then(() => isReady = true);
    elapse(999);
    await idle();
    assertEquals([isReady, puller.pull([])], [false, true]);
    elapse(1);
    await ready;
    assertEquals(puller.pull([]), false);
    await answer(1);
    assertEquals(lines, [
      "warn: an async input yielded an item more than 1 s after the stop of the run: it is lost, " +
      "unless the next run reads it again",
    ]);
    await puller.close();
    assertEquals(calls, ["next", "return"]);
  });
});

Deno.test("pullerOf() ends, with a warning, when an async iterator fails after the stop", async () => {
  const { calls, iterable, answer, reject } = answered();
  const lines: string[] = [];
  const log = createLog((level, message) => lines.push(`${level}: ${message}`));
  const puller = pullerOf(iterable, "test", log);
  const items: unknown[] = [];
  puller.pull(items);
  await answer(1);
  puller.stop();
  await reject(new Error("aborted"));
  assertEquals([puller.pull(items), puller.pull(items), items], [true, false, [1]]);
  assertEquals(lines, [
    "warn: an async input failed while the run was being stopped: Error: aborted",
  ]);
  await puller.close();
  assertEquals(calls, ["next", "next"]);
});

Deno.test("pullerOf() throws what an async iterator failed with before the stop", async () => {
  const { iterable, answer, reject } = answered();
  const puller = pullerOf(iterable, "test", silentLog);
  const items: unknown[] = [];
  puller.pull(items);
  await answer(1);
  await reject(new Error("gone"));
  puller.stop();
  assertEquals([puller.pull(items), items], [true, [1]]);
  assertThrows(() => puller.pull(items), Error, "gone");
  await puller.close();
});
