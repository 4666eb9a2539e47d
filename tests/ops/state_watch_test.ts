import { assertEquals, assertThrows } from "@std/assert";
import { encodeValue } from "../../src/core/value_codec.ts";
import type { RunSource, RunView } from "../../src/ops/run_view.ts";
import type { KeyState } from "../../src/ops/state_question.ts";
import { StateWatches, TooManyWatchedError } from "../../src/ops/state_watch.ts";

/** A run with one worker, and pauses that the test ends. */
class Run {
  /** The state of every key; `undefined` for none; an error if the worker does not answer. */
  state: unknown = 1;
  asked = 0;
  #ticks: (() => void)[] = [];
  #paused = Promise.withResolvers<void>();

  readonly source: RunSource = {
    view: () => ({ workers: [{}], graph: null }) as unknown as RunView,
    now: () => 0,
    ask: (_worker, question) => {
      this.asked++;
      if (this.state instanceof Error) return Promise.reject(this.state);
      if (question.kind !== "key") return Promise.reject(new Error("another question"));
      const { key } = question;
      const states: KeyState[] = this.state === undefined
        ? []
        : [{ key, state: encodeValue(this.state) }];
      return Promise.resolve({ steps: [], states });
    },
  };

  readonly watches = new StateWatches(this.source, (_ms, signal) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve());
    this.#ticks.push(resolve);
    this.#paused.resolve();
    return promise;
  });

  /** Asks once more, and waits until that is done. */
  async tick(): Promise<void> {
    await this.#paused.promise;
    this.#paused = Promise.withResolvers();
    for (const each of this.#ticks.splice(0)) each();
    await this.#paused.promise;
  }
}

const valueOf = ({ value }: IteratorResult<string, void>): unknown => {
  const data = JSON.parse(value!.split("data: ")[1]);
  return data === null ? null : data.value;
};

Deno.test("a watcher gets the state now, and each change once", async () => {
  const run = new Run();
  const stop = new AbortController();
  const events = run.watches.watch("sum", "ada")(stop.signal);
  assertEquals(valueOf(await events.next()), 1);
  const second = events.next();
  await run.tick();
  await run.tick();
  run.state = 2;
  await run.tick();
  assertEquals(valueOf(await second), 2);
  run.state = undefined;
  await run.tick();
  assertEquals(valueOf(await events.next()), null);
  run.state = new Map([["a", 1n]]);
  await run.tick();
  assertEquals(valueOf(await events.next()), [["a", "1"]]);
  const last = events.next();
  stop.abort();
  assertEquals([(await last).done, run.watches.size], [true, 0]);
});

Deno.test("all who watch a key share the questions, and nobody is asked once they have left", async () => {
  const run = new Run();
  const [a, b] = [new AbortController(), new AbortController()];
  const first = run.watches.watch("sum", "ada")(a.signal);
  const second = run.watches.watch("sum", "ada")(b.signal);
  assertEquals([valueOf(await first.next()), valueOf(await second.next())], [1, 1]);
  await run.tick();
  assertEquals([run.asked, run.watches.size], [2, 1]);
  // One that comes late gets the state at once.
  const third = run.watches.watch("sum", "ada")(b.signal);
  assertEquals([valueOf(await third.next()), run.asked], [1, 2]);
  a.abort();
  assertEquals((await first.next()).done, true);
  assertEquals(run.watches.size, 1);
  b.abort();
  await Promise.all([second.next(), third.next()]);
  const { asked } = run;
  assertEquals(run.watches.size, 0);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(run.asked, asked);
});

Deno.test("a watcher that is slow gets the last state", async () => {
  const run = new Run();
  const stop = new AbortController();
  const events = run.watches.watch("sum", "ada")(stop.signal);
  assertEquals(valueOf(await events.next()), 1);
  for (const state of [2, 3, 4]) {
    run.state = state;
    await run.tick();
  }
  assertEquals(valueOf(await events.next()), 4);
  await events.return();
  assertEquals(run.watches.size, 0);
});

Deno.test("a worker that does not answer is asked again", async () => {
  const run = new Run();
  run.state = new Error("the flow is started again");
  const stop = new AbortController();
  const events = run.watches.watch("sum", "ada")(stop.signal);
  const first = events.next();
  await run.tick();
  run.state = 5;
  await run.tick();
  assertEquals(valueOf(await first), 5);
  await events.return();
});

Deno.test("a bounded number of keys is watched", async () => {
  const run = new Run();
  const stop = new AbortController();
  const all = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const events = run.watches.watch("sum", `key ${i}`)(stop.signal);
    await events.next();
    return events;
  }));
  assertThrows(() => run.watches.watch("sum", "one more"), TooManyWatchedError, "200 keys");
  run.watches.watch("sum", "key 7"); // it is watched already
  stop.abort();
  for (const events of all) await events.next();
  run.watches.watch("sum", "one more");
  assertEquals(run.watches.size, 0);
});

Deno.test("a bounded number of clients watch", async () => {
  const run = new Run();
  const stop = new AbortController();
  const all = await Promise.all(Array.from({ length: 1_000 }, async () => {
    const events = run.watches.watch("sum", "ada")(stop.signal);
    await events.next();
    return events;
  }));
  assertThrows(() => run.watches.watch("sum", "ada"), TooManyWatchedError, "1000 watchers");
  stop.abort();
  for (const events of all) await events.next();
  run.watches.watch("sum", "ada");
});
