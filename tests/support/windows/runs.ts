/** Runs that count the items of each second, on a clock that the test controls. */
import { assert, assertEquals } from "@std/assert";
import {
  type Clock,
  Dataflow,
  EventClockConfig,
  type Keyed,
  type RecoveryConfig,
  type StepCounts,
  TumblingWindowConfig,
} from "../../../mod.ts";
import type { MemoryRun } from "../../../src/runtime/run/memory_run.ts";
import { TestClock } from "../clock/test_clock.ts";
import { FedInput, pass, TimedOutput } from "../runtime/virtual_time.ts";
import { runWorkers } from "../runtime/workers.ts";

/** When the clock begins. */
export const NOW = 1_700_000_000_000;
/** Long enough for any window of these to close. */
export const LONG = 30_000;

/** How much later than it is due a window may close. */
export const SOON_MS = 100;

/** How long it may take, after an input reads again, until that is reported. */
export const TOLD_AFTER_MS = 10;

export type Item = { readonly key: string; readonly time: number };
type Items = Dataflow<Item>;

export const second = new TumblingWindowConfig({ length: { seconds: 1 } });
export const eventClock = (wait = 0, retention?: number) =>
  new EventClockConfig<Item>({ getTime: ({ time }) => time, wait, retention });

export const item = (time: number, key = "a"): Item => ({ key, time });

interface Options {
  readonly workers?: number;
  readonly clock?: TestClock;
  /** The clock that the run sees, if it is another one. */
  readonly shown?: Clock;
  readonly recovery?: RecoveryConfig;
  readonly wait?: number;
  readonly retention?: number;
  readonly input?: FedInput<Item>;
  /** The steps between the input and the windows. */
  readonly before?: (items: Items, flow: Items) => Items;
}

/** A run that counts the items of each second, with epochs of a minute. */
export function start(
  {
    workers = 1,
    clock = new TestClock(NOW),
    shown = clock,
    recovery,
    wait = 0,
    retention,
    input = new FedInput(),
    before = (items) => items,
  }: Options = {},
) {
  const counts = new TimedOutput<Keyed<number>>(clock);
  const late = new TimedOutput<Keyed<Item>>(clock);
  const source = new Dataflow("quiet").input("in", input);
  const windows = before(source, source).keyOn(({ key }) => key)
    .countWindow("count", eventClock(wait, retention), second);
  windows.late.capture("late", late);
  windows.capture("counts", counts);
  let run: MemoryRun | null = null;
  const outputs = [counts, late];
  const running = runWorkers(windows, workers, {
    clock: shown,
    recovery,
    epochMs: 60_000,
    onRunning: (started) => run = started,
  });
  return {
    clock,
    input,
    counts,
    late,
    source,
    /** The output with its times, since the beginning. */
    closed: () => counts.seen.map(({ at, item: [key, count] }) => [key, count, at - NOW]),
    lateTimes: () => late.items.map(([, { time }]) => time),
    pass: (ms: number, stepMs?: number) => pass(clock, ms, stepMs),
    async end(): Promise<StepCounts[]> {
      input.end();
      await pass(clock, 50); // an input woken for nothing is asked again some ms later
      return (await running).counts.flat();
    },
    async stop(): Promise<void> {
      run?.stop();
      await running;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const output of outputs) output.unblock();
      run?.stop();
      await running.catch(() => {});
    },
  };
}

/** That one window closed when it was due, or soon after. */
export function assertClosed(closed: unknown[][], due: number, count = 1): void {
  assertEquals(closed.map(([, count]) => count), [count], `${Deno.inspect(closed)}`);
  const at = closed[0][2] as number;
  assert(at >= due && at <= due + SOON_MS, `closed at ${at}, which was due at ${due}`);
}
