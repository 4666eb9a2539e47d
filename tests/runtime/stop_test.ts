/** Graceful stops that take too long: in this process, with a clock in the test's hands. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Dataflow,
  ManualInputConfig,
  type OutputConfig,
  type RecoveryConfig,
  run,
  type RunOptions,
  type RunResult,
} from "../../mod.ts";
import { createLog } from "../../src/core/log.ts";
import { eventually, idle } from "../support/eventually.ts";
import { HandInput } from "../support/runtime/hand_input.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { ExactOutput } from "../support/recovery/resumable.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

/** Settles when the signal is aborted. */
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

/** A run with a clock, a log, and something to stop it with. */
function started(flow: Dataflow<unknown>, options: Partial<RunOptions> = {}) {
  const clock = new TestClock(0);
  const stop = new AbortController();
  const warnings: string[] = [];
  const log = createLog((level, message, fields) => {
    if (level === "warn") warnings.push(`${message} ${JSON.stringify(fields)}`);
  });
  const epoch = { interval: 10_000 };
  const running = run(flow, { clock, log, signal: stop.signal, epoch, ...options });
  let outcome: RunResult | Error | null = null;
  running.then((result) => outcome = result, (error) => outcome = error);
  return { clock, warnings, running, stop: () => stop.abort(), outcome: () => outcome };
}

/** An output where the write of an item lasts for as long as the run. */
function stuckOutput(at: number): RecordingOutput<number> {
  const output: RecordingOutput<number> = new RecordingOutput({
    write: (batch) => batch.includes(at) ? aborted(output.place!.signal) : Promise.resolve(),
  });
  return output;
}

/** Two items on their way to an output that never gets done with item `at`. */
async function stuckRun(recovery?: RecoveryConfig, at = 1) {
  const input = new HandInput<number>();
  const output = stuckOutput(at);
  const flow = new Dataflow("stuck").input("in", input).capture("out", output);
  const stuck = started(flow, { recovery, stopTimeout: { seconds: 20 } });
  await eventually(() => input.waiting, "the input waits");
  input.push(1, 2);
  await eventually(() => output.only("write").length > 0, "items are being written");
  return { ...stuck, input, output };
}

Deno.test("without a store, a stop that takes too long fails, and says what was dropped", async () => {
  const { clock, running, stop, outcome } = await stuckRun();
  clock.advance(60_000);
  stop();
  clock.advance(18_999);
  await idle();
  assertEquals(outcome(), null);
  clock.advance(1);
  const { message } = await assertRejects(() => running) as Error;
  assertStringIncludes(message, "the stop took too long (--stop-timeout, 20 s)");
  assertStringIncludes(message, "what was read since 1970-01-01T00:00:00.000Z");
  assertStringIncludes(message, `Left: step "out"`);
});

Deno.test("with a store, a stop that takes too long ends at the last committed epoch", async () => {
  const recovery = new WatchedRecovery();
  const { clock, running, stop, warnings, input, output } = await stuckRun(recovery, 3);
  clock.advance(10_000);
  await eventually(() => recovery.epoch === 0, "the first epoch is committed");
  input.push(3);
  await eventually(() => output.only("write 1: 3").length > 0, "the next epoch's is being written");
  stop();
  await idle();
  clock.advance(19_000);
  assertEquals((await running).stopped, true);
  assertEquals(warnings, [
    `the stop took too long: the run ends at the last committed epoch ` +
    JSON.stringify({ epoch: 0, left: `step "out"` }),
  ]);
  const store = await recovery.open("stuck"); // it has been let go of
  assertEquals((await store.resume())?.epoch, 0);
  await store.close();
});

Deno.test("a stop that is done in time leaves no timers behind", async () => {
  const input = new HandInput<number>();
  const output = new RecordingOutput<number>();
  const { clock, running, stop } = started(
    new Dataflow("quick").input("in", input).capture(output),
  );
  await eventually(() => input.waiting, "the input waits");
  input.push(1);
  await eventually(() => input.waiting, "the item is read");
  stop();
  assertEquals((await running).stopped, true);
  assertEquals(output.items.map(([, item]) => item), [1]);
  assertEquals(clock.sleeps, []);
});

/** Looks up five numbers, two at a time, until it is told to end. */
function lookups(
  f: (n: number, signal: AbortSignal) => Promise<number>,
  out: OutputConfig<number>,
) {
  const input = new HandInput<number>();
  const begun: number[] = [];
  const flow = new Dataflow("lookups").input("in", input)
    .mapAsync(function lookup(n, signal) {
      begun.push(n);
      return f(n, signal);
    }, { concurrency: 2 })
    .capture("out", out);
  return { input, flow, begun };
}

Deno.test("calls of mapAsync that heed their signal end the stop early; others are waited for", async () => {
  const held = Promise.withResolvers<number>();
  const { input, flow, begun } = lookups(
    (n, signal) =>
      n === 0
        ? held.promise
        : new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    new ExactOutput(),
  );
  const recovery = new WatchedRecovery();
  const { clock, running, stop, warnings, outcome } = started(flow, { recovery });
  await eventually(() => input.waiting, "the input waits");
  input.push(0, 1, 2, 3, 4);
  await eventually(() => begun.length === 2, "two calls are in flight");
  stop();
  clock.advance(27_000); // the signal is aborted
  await idle();
  assertEquals(outcome(), null); // the first call may still want to tidy up
  held.resolve(0);
  assertEquals((await running).stopped, true);
  assertEquals(begun, [0, 1]);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], `step \\"lookup\\" with 2 items in flight, step \\"out\\"`);
});

Deno.test("calls of mapAsync that answer when their signal is aborted let the stop be whole", async () => {
  const output = new RecordingOutput<number>();
  const { input, flow, begun } = lookups(async (n, signal) => {
    if (!signal.aborted) await aborted(signal);
    return -n;
  }, output);
  const { clock, running, stop, warnings } = started(flow);
  await eventually(() => input.waiting, "the input waits");
  input.push(1, 2, 3, 4, 5);
  await eventually(() => begun.length === 2, "two calls are in flight");
  stop();
  clock.advance(27_000);
  assertEquals((await running).stopped, true);
  assertEquals(output.items.map(([, item]) => item), [-1, -2, -3, -4, -5]);
  assertEquals(warnings, []);
});

Deno.test("a call of mapAsync that fails before its signal is aborted fails the run", async () => {
  const held = Promise.withResolvers<number>();
  const { input, flow, begun } = lookups(() => held.promise, new ExactOutput());
  const { clock, running, stop } = started(flow, { recovery: new WatchedRecovery() });
  await eventually(() => input.waiting, "the input waits");
  input.push(1);
  await eventually(() => begun.length === 1, "a call is in flight");
  stop();
  clock.advance(26_999);
  held.reject(new Error("not found"));
  await assertRejects(() => running, Error, "not found");
});

Deno.test("what was cut short is worked off by the next run", async () => {
  const recovery = new WatchedRecovery();
  const out = new ExactOutput<number>();
  const build = (slow: boolean) =>
    new Dataflow("resumed")
      .input(
        "in",
        new ManualInputConfig<number, number>(function* (_, __, resume) {
          for (let n = (resume ?? -1) + 1; n < 100; n++) yield [n, n];
        }),
      )
      .mapAsync(async (n, signal) => {
        if (slow && n === 50) {
          await aborted(signal);
          signal.throwIfAborted();
        }
        return n;
      }, { concurrency: 4 })
      .capture("out", out);
  const { clock, running, stop, outcome } = started(build(true), { recovery });
  await idle();
  stop();
  clock.advance(27_000);
  assertEquals((await running).stopped, true);
  assert(outcome() !== null);
  await run(build(false), { recovery });
  assertEquals(out.items.toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, n) => n));
});

for (const recovery of [undefined, new WatchedRecovery()]) {
  const how = recovery === undefined ? "without" : "with";
  Deno.test(`a stop ends a flow at once that is starting, ${how} a store`, async () => {
    const opening = Promise.withResolvers<void>();
    const output = new RecordingOutput<number>({ open: () => opening.promise });
    const input = new HandInput<number>();
    const flow = new Dataflow("opens").input("in", input).capture("out", output);
    const { running, stop, warnings } = started(flow, { recovery, stopTimeout: 200 });
    await idle();
    stop();
    assertEquals((await running).stopped, true);
    assertEquals(warnings, []);
    opening.resolve(); // what comes too late is closed
    await eventually(() => output.calls.includes("close"), "the output is closed");
    assertEquals(input.calls.includes("next"), false);
  });
}

Deno.test("a stop ends a flow at once whose recovery store is being opened, which is closed then", async () => {
  const opening = Promise.withResolvers<void>();
  const inner = new WatchedRecovery();
  let told = false;
  const recovery: RecoveryConfig = {
    name: "slow",
    open: async (flow, _log, signal) => {
      await opening.promise;
      told = signal!.aborted;
      return await inner.open(flow);
    },
    drop: () => inner.drop(),
  };
  const input = new HandInput<number>();
  const flow = new Dataflow("opens").input("in", input).capture("out", new ExactOutput());
  const { running, stop, warnings } = started(flow, { recovery, stopTimeout: 200 });
  stop();
  assertEquals((await running).stopped, true);
  assertEquals(warnings, []);
  opening.resolve();
  await idle();
  assert(told);
  await (await inner.open("opens")).close(); // nobody has it open
  assertEquals(input.calls, []);
});

Deno.test("a stop that may take a millisecond ends the run after it", async () => {
  const input = new HandInput<number>();
  const flow = new Dataflow("at-once").input("in", input).capture("out", stuckOutput(1));
  const recovery = new WatchedRecovery();
  const { clock, running, stop } = started(flow, { recovery, stopTimeout: 1 });
  await eventually(() => input.waiting, "the input waits");
  input.push(1);
  await eventually(() => input.waiting, "the item is read");
  stop();
  clock.advance(1);
  assertEquals((await running).stopped, true);
});
