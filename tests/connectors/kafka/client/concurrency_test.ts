import { assertEquals, assertRejects } from "@std/assert";
import { firstOf, limited } from "../../../../src/connectors/kafka/client/concurrency.ts";

/** Attempts whose outcomes a test decides. */
class Attempts {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  /** Candidates without an outcome never answer. */
  readonly attempt = (candidate: string): Promise<string> => {
    this.begun.push(candidate);
    const end = Promise.withResolvers<string>();
    this.#ends.set(candidate, end);
    return end.promise;
  };

  succeed(candidate: string): void {
    this.#ends.get(candidate)!.resolve(candidate);
  }

  async fail(candidate: string): Promise<void> {
    this.#ends.get(candidate)!.reject(new Error(candidate));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

const never = { staggerMs: 3_600_000, choose: (errors: readonly unknown[]) => errors[0] };

Deno.test("firstOf() asks one candidate if that one answers soon", async () => {
  const attempts = new Attempts();
  const first = firstOf(["a", "b"], attempts.attempt, never);
  attempts.succeed("a");
  assertEquals(await first, "a");
  assertEquals(attempts.begun, ["a"]);
});

Deno.test("firstOf() asks the next at once if one fails", async () => {
  const attempts = new Attempts();
  const first = firstOf(["a", "b", "c"], attempts.attempt, never);
  await attempts.fail("a");
  assertEquals(attempts.begun, ["a", "b"]);
  attempts.succeed("b");
  assertEquals(await first, "b");
  assertEquals(attempts.begun, ["a", "b"]);
});

for (const answering of ["a", "b", "c"]) {
  Deno.test(`firstOf() waits for all that are silent: ${answering} answers`, async () => {
    const attempts = new Attempts();
    const all = Promise.withResolvers<void>();
    const first = firstOf(["a", "b", "c"], (candidate) => {
      if (candidate === "c") all.resolve();
      return attempts.attempt(candidate);
    }, { ...never, staggerMs: 1 });
    await all.promise;
    attempts.succeed(answering);
    assertEquals(await first, answering);
  });
}

for (const order of [["a", "b"], ["b", "a"]]) {
  Deno.test(`firstOf() lets an error be chosen when all have failed: ${order}`, async () => {
    const attempts = new Attempts();
    const both = Promise.withResolvers<void>();
    const first = firstOf(["a", "b"], (candidate) => {
      if (candidate === "b") both.resolve();
      return attempts.attempt(candidate);
    }, { staggerMs: 1, choose: (errors) => errors.find((error) => `${error}`.includes("b")) });
    const failed = assertRejects(() => first, Error, "b");
    await both.promise;
    for (const each of order) await attempts.fail(each);
    await failed;
  });
}

const cut = () => new Error("cut");

Deno.test("limited() returns the result of the work, or throws its error", async () => {
  const { signal } = new AbortController();
  const options = { ms: 3_600_000, signal, cut };
  assertEquals(await limited(Promise.resolve(1), options), 1);
  await assertRejects(() => limited(Promise.reject(new Error("its own")), options), Error, "own");
});

Deno.test("limited() waits no longer than its limit", async () => {
  const { signal } = new AbortController();
  const never = new Promise(() => {});
  await assertRejects(() => limited(never, { ms: 1, signal, cut }), Error, "cut");
});

Deno.test("limited() waits for the work without a limit", async () => {
  const { signal } = new AbortController();
  const work = Promise.withResolvers<string>();
  const waiting = limited(work.promise, { ms: Infinity, signal, cut });
  setTimeout(() => work.resolve("done"), 5); // a timer of no length comes first
  assertEquals(await waiting, "done");
});

Deno.test("limited() is ended by its signal, aborted before or meanwhile", async () => {
  const stop = new AbortController();
  const late = Promise.withResolvers<void>();
  const options = { ms: 3_600_000, signal: stop.signal, cut };
  const waiting = assertRejects(() => limited(late.promise, options), Error, "cut");
  stop.abort();
  await waiting;
  await assertRejects(() => limited(late.promise, options), Error, "cut");
  late.reject(new Error("later")); // which nobody hears of
});
