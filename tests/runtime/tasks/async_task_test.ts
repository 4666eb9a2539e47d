import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Dataflow,
  type MapAsyncOptions,
  run,
  StepError,
  TestingInputConfig,
} from "../../../mod.ts";
import type { AsyncNode } from "../../../src/graph/nodes.ts";
import type { Message } from "../../../src/runtime/channel.ts";
import { AsyncTask } from "../../../src/runtime/tasks/async_task.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { HandInput } from "../../support/runtime/hand_input.ts";
import { Random } from "../../support/values/random.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";
import { drain, plainOutlet, roomyChannel, taskHost } from "../../support/runtime/task_host.ts";

/** A run of `mapAsync` over numbers, in which a test decides when each is done. */
function runHeld(count: number, options: MapAsyncOptions) {
  const held = new Map<number, PromiseWithResolvers<string>>();
  const started: number[] = [];
  const signals = new Set<AbortSignal>();
  const output = new RecordingOutput<string>();
  const flow = new Dataflow("async")
    .input("in", new TestingInputConfig(Array.from({ length: count }, (_, i) => i)))
    .mapAsync(function fetched(n, signal) {
      started.push(n);
      signals.add(signal);
      const result = Promise.withResolvers<string>();
      held.set(n, result);
      return result.promise;
    }, options)
    .capture(output);
  const running = run(flow);
  return {
    running,
    started,
    signals,
    out: () => output.items.map(([, item]) => item),
    resolve: (n: number) => held.get(n)!.resolve(`r${n}`),
    reject: (n: number, error: unknown) => held.get(n)!.reject(error),
  };
}

Deno.test("mapAsync sends results on in the order of their items when it is ordered", async () => {
  const { running, started, resolve, out } = runHeld(4, { concurrency: 4 });
  await eventually(() => started.length === 4, "all have started");
  resolve(2);
  resolve(3);
  await idle();
  assertEquals(out(), []);
  resolve(0);
  await eventually(() => out().length === 1, "the first is out");
  await idle();
  assertEquals(out(), ["r0"]);
  resolve(1);
  await running;
  assertEquals(out(), ["r0", "r1", "r2", "r3"]);
});

Deno.test("mapAsync sends each result on as it is ready when it is not ordered", async () => {
  const { running, started, resolve, out } = runHeld(4, { concurrency: 4, ordered: false });
  await eventually(() => started.length === 4, "all have started");
  for (const n of [2, 0, 3, 1]) {
    resolve(n);
    await eventually(() => out().at(-1) === `r${n}`, "its result is out");
  }
  await running;
  assertEquals(out(), ["r2", "r0", "r3", "r1"]);
});

Deno.test("mapAsync starts the next item when one is done, and never more than concurrency", async () => {
  for (const ordered of [true, false]) {
    const { running, started, resolve } = runHeld(7, { concurrency: 3, ordered });
    for (let n = 0; n < 7; n++) {
      await eventually(() => started.length === Math.min(7, n + 3), "the next has started");
      await idle();
      assertEquals(started.length, Math.min(7, n + 3));
      resolve(n);
    }
    await running;
  }
});

Deno.test("mapAsync counts a result that waits for those before it as one in flight", async () => {
  const { running, started, resolve } = runHeld(4, { concurrency: 2 });
  await eventually(() => started.length === 2, "two have started");
  resolve(1);
  await idle();
  assertEquals(started, [0, 1]);
  resolve(0);
  await eventually(() => started.length === 4, "the others have started");
  resolve(2);
  resolve(3);
  await running;
});

Deno.test("mapAsync has 16 in flight when it is not told otherwise", async () => {
  const { running, started, resolve, out } = runHeld(40, {});
  await eventually(() => started.length >= 16, "it has started");
  await idle();
  assertEquals(started.length, 16);
  for (let n = 0; n < 40; n++) {
    await eventually(() => started.length > n, "the item has started");
    resolve(n);
  }
  await running;
  assertEquals(out().length, 40);
});

Deno.test("mapAsync names the step and the item when a promise rejects, with the user's error", async () => {
  for (const ordered of [true, false]) {
    const { running, started, reject, signals, out } = runHeld(3, { ordered });
    const failed = assertRejects(() => running, StepError);
    await eventually(() => started.length === 3, "all have started");
    const broken = new Error("404");
    const [signal] = signals;
    assertEquals([signals.size, signal.aborted], [1, false]);
    reject(1, broken);
    reject(2, new Error("a later one, which follows from the first"));
    const error = await failed as StepError;
    assertEquals([error.stepId, error.item, error.cause], ["fetched", "1", broken]);
    assertEquals([signal.aborted, out()], [true, []]);
  }
});

Deno.test("mapAsync names the step and the item when its function throws or gives no promise", async () => {
  const failure = async (f: (n: number) => unknown): Promise<StepError> => {
    const flow = new Dataflow("async")
      .input("in", new TestingInputConfig([1, 2]))
      .mapAsync(f as (n: number) => Promise<number>)
      .capture(new RecordingOutput());
    return await assertRejects(() => run(flow), StepError) as StepError;
  };
  const thrown = await failure((n) => {
    if (n === 2) throw new Error("at once");
    return Promise.resolve(n);
  });
  assertEquals([thrown.stepId, thrown.item], ["mapAsync-1", "2"]);
  assertEquals((thrown.cause as Error).message, "at once");
  const plain = await failure((n) => n);
  assertEquals([plain.stepId, plain.item], ["mapAsync-1", "1"]);
  assertEquals(
    (plain.cause as Error).message,
    "the function of mapAsync must return a promise; got 1 (use map for what need not be awaited)",
  );
});

Deno.test("mapAsync accepts what can be awaited and is not a Promise", async () => {
  const output = new RecordingOutput<number>();
  await run(
    new Dataflow("thenable")
      .input("in", new TestingInputConfig([1, 2]))
      .mapAsync((n): PromiseLike<number> => ({
        then: (resolve) => Promise.resolve(n * 10).then(resolve),
      }))
      .capture(output),
  );
  assertEquals(output.items.map(([, n]) => n), [10, 20]);
});

Deno.test("mapAsync finishes what is in flight when the run is stopped", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  const release = Promise.withResolvers<void>();
  const stop = new AbortController();
  const aborted: boolean[] = [];
  let started = 0;
  const flow = new Dataflow("stop")
    .input("in", input)
    .mapAsync(async (n, signal) => {
      started++;
      await release.promise;
      aborted.push(signal.aborted);
      return n;
    }, { concurrency: 2 })
    .capture(output);
  const running = run(flow, { signal: stop.signal });
  input.push(1, 2, 3);
  await eventually(() => started === 2, "two items are in flight, and one waits");
  stop.abort();
  await idle();
  release.resolve();
  assertEquals((await running).stopped, true);
  assertEquals(output.items.map(([, n]) => n), [1, 2, 3]);
  assertEquals(aborted, [false, false, false]);
});

Deno.test("mapAsync is held up when the output is slow", async () => {
  let started = 0;
  const gate = Promise.withResolvers<void>();
  const output = new RecordingOutput<number>({ write: () => gate.promise });
  const running = run(
    new Dataflow("slow")
      .input("in", new TestingInputConfig(Array.from({ length: 40_000 }, (_, i) => i)))
      .mapAsync((n) => {
        started++;
        return Promise.resolve(n);
      }, { concurrency: 64 })
      .capture(output),
  );
  await eventually(() => started > 0, "an item is started");
  for (let before = -1; before !== started; await idle()) before = started;
  assert(started <= 3 * 64, `${started} started ahead of the output`);
  gate.resolve();
  await running;
  assertEquals(output.items.length, 40_000);
});

Deno.test("mapAsync gives all results, in order, when promises take turns at random", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const concurrency = 1 + random.below(8);
    const ordered = random.below(2) === 0;
    let [inFlight, most] = [0, 0];
    const output = new RecordingOutput<number>();
    const items = Array.from({ length: 200 }, (_, i) => i);
    await run(
      new Dataflow("random")
        .input("in", new TestingInputConfig(items, { batchSize: 1 + random.below(50) }))
        .mapAsync(async (n) => {
          most = Math.max(most, ++inFlight);
          for (let turns = random.below(5); turns > 0; turns--) await Promise.resolve();
          inFlight--;
          return n;
        }, { concurrency, ordered })
        .capture(output),
    );
    const results = output.items.map(([, n]) => n);
    assertEquals(ordered ? results : results.toSorted((a, b) => a - b), items);
    assert(most <= concurrency, `${most} in flight with a concurrency of ${concurrency}`);
  }
});

/** A task by itself, whose items a test finishes. */
function asyncTask(concurrency: number) {
  const [input, output] = [roomyChannel(), roomyChannel()];
  const started: unknown[] = [];
  const results = new Map<unknown, PromiseWithResolvers<unknown>>();
  const fn = (item: unknown) => {
    started.push(item);
    results.set(item, Promise.withResolvers());
    return results.get(item)!.promise;
  };
  const node = { kind: "async", fn, concurrency, ordered: true } as unknown as AsyncNode;
  const task = new AsyncTask("async", node, input, plainOutlet(output), taskHost(), 0);
  return {
    started,
    /** What comes out when messages come in. */
    put(...messages: Message[]): unknown[] {
      for (const message of messages) input.push(message);
      while (task.run());
      return drain(output);
    },
    finish: async (item: unknown) => {
      results.get(item)!.resolve(`r${item}`);
      await idle();
    },
  };
}

const nothing = { kind: "idle" } as const;
const barrier = { kind: "barrier", epoch: 0 } as const;

Deno.test("mapAsync starts an item while the one before, after which there was nothing, is in flight", async () => {
  const { started, put, finish } = asyncTask(4);
  assertEquals(put(nothing), ["idle"]);
  assertEquals(put([1], nothing, [2], nothing), ["active"]);
  assertEquals(started, [1, 2]);
  await finish(1);
  assertEquals(put(), [["r1"]]);
  await finish(2);
  assertEquals(put(), [["r2"], "idle"]);
  assertEquals(put(), []);
});

Deno.test("mapAsync says that there is nothing once the epoch before has ended, whichever came first", async () => {
  for (const messages of [[nothing, barrier], [barrier, nothing]]) {
    const { put, finish } = asyncTask(4);
    assertEquals(put([1], ...messages), []);
    await finish(1);
    assertEquals(put(), [["r1"], "barrier", "idle"]);
  }
});

Deno.test("mapAsync does not say that there is nothing while items wait for their turn", async () => {
  const { started, put, finish } = asyncTask(1);
  assertEquals(put([1, 2], nothing), []);
  await finish(1);
  assertEquals(put(), [["r1"]]);
  assertEquals(started, [1, 2]);
  await finish(2);
  assertEquals(put(), [["r2"], "idle"]);
  assertEquals(put([3], { kind: "active" }, nothing), ["active"]);
  await finish(3);
  assertEquals(put(), [["r3"], "idle"]);
});
