/** Runs whose input fails: what was read before comes out, or is read again by the next run. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  Dataflow,
  type InputConfig,
  ManualInputConfig,
  PartitionedInputConfig,
  type Positions,
  run,
  StepError,
} from "../../mod.ts";
import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import { eventually, idle } from "../support/eventually.ts";
import { HandInput } from "../support/runtime/hand_input.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { runWorkers } from "../support/runtime/workers.ts";

const COUNT = 1_500;
const ALL = Array.from({ length: COUNT }, (_, n) => n);
const broken = new Error("gone");

/** Inputs that fail, and note what they have yielded before. */
const failing: Record<string, (yielded: number[]) => InputConfig<number>> = {
  "a generator": (yielded) =>
    new ManualInputConfig<number>(function* () {
      for (const n of ALL) {
        yielded.push(n);
        yield [n, n];
      }
      throw broken;
    }),
  "an async generator": (yielded) =>
    new ManualInputConfig<number>(async function* () {
      for (const n of ALL) {
        yielded.push(n);
        yield [n, n];
      }
      await Promise.reject(broken);
    }),
  "one of several partitions": (yielded) =>
    new PartitionedInputConfig<number>({
      partitions: () => ["a", "b"],
      *build(partition) {
        for (const n of ALL) {
          if (partition === "b" && n === 1_030) throw broken; // in the middle of a batch
          yielded.push(n);
          yield [n, n];
        }
      },
    }),
};

/** Resolves some turns of the event loop later. */
async function slowly<T>(value: T): Promise<T> {
  await idle(2);
  return value;
}

for (const [what, input] of Object.entries(failing)) {
  Deno.test(`what ${what} yielded before it fails is worked off, in slow steps too, if nothing is stored`, async () => {
    const output = new RecordingOutput<number>();
    const yielded: number[] = [];
    const flow = new Dataflow("fails").input("in", input(yielded))
      .mapAsync(slowly, { concurrency: 100 })
      .capture(output);
    const error = await assertRejects(() => run(flow), StepError) as StepError;
    assertEquals([error.stepId, error.cause], ["in", broken]);
    assert(yielded.length >= COUNT);
    assertEquals(output.items.map(([, n]) => n).toSorted(), yielded.toSorted());
    assertEquals(output.only("prepare", "commit", "close").slice(-3), [
      "prepare 0",
      "commit 0",
      "close",
    ]);
    assert(output.place!.signal.aborted);
  });
}

Deno.test("where an input fails and state is stored, the next run goes on after the last committed epoch", async () => {
  const recovery = new MemoryRecoveryConfig();
  const output = new RecordingOutput<number>();
  const clock = new TestClock();
  const failsAt: (number | null)[] = [700, 1_100, null];
  for (const failAt of failsAt) {
    const input = new ManualInputConfig<number, number>(function* (_index, _count, resume) {
      for (let n = resume === null ? 0 : resume + 1; n < COUNT; n++) {
        if (n === failAt) throw broken;
        if (n === 300) clock.advance(10_000); // an epoch ends
        yield [n, n];
      }
    });
    const flow = new Dataflow("fails").input("in", input).capture(output);
    const running = run(flow, { recovery, clock });
    if (failAt === null) await running;
    else assertStrictEquals((await assertRejects(() => running) as StepError).cause, broken);
  }
  const items = output.items.map(([, n]) => n);
  assertEquals([...new Set(items)], ALL);
  assert(items.length < 3 * COUNT);
});

Deno.test("where an input fails and state is stored, the run does not wait for what is on its way", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  const flow = new Dataflow("fails").input("in", input)
    .mapAsync(() => new Promise<number>(() => {}))
    .capture(output);
  const running = run(flow, { recovery: new MemoryRecoveryConfig(), clock: new TestClock() });
  const failed = assertRejects(() => running, StepError);
  input.push(1);
  await eventually(() => input.waiting, "the item has been read");
  input.throwNext(broken);
  await failed;
  assertEquals(output.only("write"), []);
});

/** Ways in which an input may fail. */
const ways: Record<string, (input: HandInput<number>) => void> = {
  "next() throws": (input) => input.throwNext(broken),
  "ready() rejects": (input) => input.rejectReady(broken),
  "place.fail() is called": (input) => input.place!.fail(broken),
};

for (const [way, fail] of Object.entries(ways)) {
  Deno.test(`${way}: what was read before is worked off, and the other inputs are stopped`, async () => {
    const input = new HandInput<number>();
    const other = new HandInput<number>();
    const done = Promise.withResolvers<void>();
    const output = new RecordingOutput<number>();
    const flow = new Dataflow("fails");
    const slow = flow.input("in", input).mapAsync(async (n) => {
      await done.promise;
      return n;
    });
    const running = run(flow.input("other", other).merge(slow).capture(output));
    const failed = assertRejects(() => running, StepError);
    input.push(1, 2);
    other.push(3);
    await eventually(() => input.waiting && other.waiting, "both have been read");
    fail(input);
    await idle();
    assertEquals(output.place!.signal.aborted, false);
    done.resolve();
    const error = await failed as StepError;
    assertEquals([error.stepId, error.cause], ["in", broken]);
    assertEquals(output.items.map(([, n]) => n).toSorted(), [1, 2, 3]);
  });
}

Deno.test("an output that hangs holds up the error of an input for five seconds at most", async () => {
  const clock = new TestClock();
  const input = new HandInput<number>();
  const output: RecordingOutput<number> = new RecordingOutput({
    write: () => {
      const { signal } = output.place!;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  });
  const flow = new Dataflow("fails").input("in", input).capture(output);
  let failure: unknown = null;
  const running = run(flow, { clock }).catch((error) => failure = error);
  input.push(1);
  await eventually(() => input.waiting && output.calls.length > 0, "the item is being written");
  input.throwNext(broken);
  await idle();
  clock.advance(4_999);
  await idle();
  assertEquals([failure, output.place!.signal.aborted], [null, false]);
  clock.advance(1);
  await eventually(() => output.place!.signal.aborted, "the run fails");
  await running;
  assertStrictEquals((failure as StepError).cause, broken);
});

Deno.test("the error of an input is the one that is reported when a step fails after it", async () => {
  const input = new HandInput<number>();
  const result = Promise.withResolvers<number>();
  const flow = new Dataflow("fails").input("in", input).mapAsync(() => result.promise)
    .capture(new RecordingOutput<number>());
  const failed = assertRejects(() => run(flow), StepError);
  input.push(1);
  await eventually(() => input.waiting, "the item has been read");
  input.throwNext(broken);
  await idle();
  result.reject(new Error("later"));
  assertStrictEquals((await failed as StepError).cause, broken);
});

Deno.test("an input is told no positions of the epoch in which it fails", async () => {
  const told: unknown[] = [];
  let at = 0;
  const input: InputConfig<number> = {
    open: () =>
      Promise.resolve({
        next: () => {
          at += 10;
          if (at > 30) throw broken; // with its position moved on already
          return [at];
        },
        ready: () => Promise.resolve(),
        positions: (): Positions => new Map([["all", at]]),
        committed: (positions) => {
          told.push(positions.get("all"));
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      }),
  };
  const output = new RecordingOutput<number>();
  const flow = new Dataflow("fails").input("in", input).capture(output);
  await assertRejects(() => run(flow, { clock: new TestClock() }), StepError);
  assertEquals([output.items.map(([, n]) => n), told], [[10, 20, 30], []]);
});

Deno.test("what all workers read before the input of one fails is worked off", async () => {
  const yielded: number[] = [];
  const output = new RecordingOutput<number>();
  const written: number[] = [];
  const flow = new Dataflow("fails")
    .input(
      "in",
      new ManualInputConfig<number>(async function* (worker) {
        for (let n = worker;; n += 2) {
          if (worker === 1 && n > 3_000) throw broken;
          if (n % 64 === 0) await idle(1);
          yielded.push(n);
          yield [null, n];
        }
      }),
    )
    .redistribute()
    .mapAsync(slowly, { concurrency: 500 })
    .inspect((n) => written.push(n))
    .capture(output);
  const error = await assertRejects(() => runWorkers(flow, 2), StepError) as StepError;
  assertEquals([error.worker, error.cause], [1, broken]);
  assert(yielded.length > 1_500);
  assertEquals(written.toSorted((a, b) => a - b), yielded.toSorted((a, b) => a - b));
});
