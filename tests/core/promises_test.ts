import { assertEquals, assertRejects } from "@std/assert";
import { isPromiseLike, sleep, within } from "../../src/core/promises.ts";
import { warningsOf } from "../support/warnings.ts";

Deno.test("within() returns true when the work is done in time", async () => {
  assertEquals(await within(Promise.resolve("done"), 10_000), true);
});

Deno.test("within() returns false when the work takes longer", async () => {
  assertEquals(await within(new Promise(() => {}), 1), false);
});

Deno.test("within() rejects when the work does in time, and leaves no timer", async () => {
  await assertRejects(() => within(Promise.reject(new Error("broken")), 10_000), Error, "broken");
});

Deno.test("within() ignores a rejection that comes too late", async () => {
  const work = Promise.withResolvers<void>();
  assertEquals(await within(work.promise, 1), false);
  work.reject(new Error("late"));
  // An unhandled rejection would end the test.
  await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("isPromiseLike() tells promises and thenables from everything else", () => {
  assertEquals([Promise.resolve(), { then() {} }].map(isPromiseLike), [true, true]);
  const others = [null, undefined, 1, "then", {}, { then: 1 }, () => {}];
  assertEquals(others.map(isPromiseLike), others.map(() => false));
});

Deno.test("sleep() ends at once when its signal is aborted, before or meanwhile", async () => {
  await sleep(60_000, AbortSignal.abort());
  const abort = new AbortController();
  const sleeping = sleep(60_000, abort.signal);
  abort.abort();
  await sleeping;
  await sleep(1, new AbortController().signal);
});

Deno.test("sleep() of a time that is over ends at once, without a warning on the terminal", async () => {
  const { signal } = new AbortController();
  assertEquals(await warningsOf(() => sleep(-5, signal)), []);
});
