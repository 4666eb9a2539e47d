/**
 * Runs a flow in this process.
 *
 * @module
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { type Duration, toMilliseconds } from "../core/duration.ts";
import { type Log, silentLog } from "../core/log.ts";
import { requireOptions } from "../core/options.ts";
import { type FLOW_BRAND, type FlowBrand, graphOf } from "../graph/graph.ts";
import type { RecoveryConfig } from "../recovery/store.ts";
import { refuseRunWhileLoading } from "./nesting.ts";
import { MemoryRun } from "./run/memory_run.ts";
import type { RunResult } from "./run/run_settings.ts";
import { type StepChangeOptions, stepChangesOf } from "./step_changes.ts";
import { stopMilliseconds, type StopOptions } from "./stop_limit.ts";

export type { RunResult };

/** The length of an epoch where none is given. */
const DEFAULT_EPOCH_MS = 10_000;

/** How a flow runs. */
export interface RunOptions extends StepChangeOptions, StopOptions {
  /** Epochs, the units of recovery. Their length never changes a result. */
  readonly epoch?: {
    /**
     * How long an epoch lasts, at least. Zero: each is closed as soon as the one before is committed.
     *
     * @default {{ seconds: 10 }}
     */
    readonly interval: Duration;
  };
  /**
   * Where the flow's state is kept, so that a run goes on after the last snapshot of the one before.
   *
   * @default {nowhere}
   */
  readonly recovery?: RecoveryConfig;
  /**
   * Aborting it stops the run gracefully: what has been read is worked off, for as long as `stopTimeout`
   * allows, and `run` resolves.
   */
  readonly signal?: AbortSignal;
  /**
   * Takes the engine's and the connectors' lines of log.
   *
   * @default {silent}
   */
  readonly log?: Log;
  /**
   * The time that epochs and the timers of steps go by; for tests.
   *
   * @default {the system's}
   */
  readonly clock?: Clock;
}

const OPTIONS: readonly (keyof RunOptions)[] = [
  "epoch",
  "recovery",
  "renameSteps",
  "dropSteps",
  "signal",
  "stopTimeout",
  "log",
  "clock",
];

/** Anything that stands for a flow: any handle on it. */
export interface FlowHandle {
  /** Marks the handle. */
  readonly [FLOW_BRAND]: FlowBrand<unknown>;
}

/**
 * Runs a flow in this process, as one worker.
 *
 * @param flow Any handle on the flow.
 * @returns Counts for each step, once the inputs have ended or a graceful stop is done, and every
 * output has made all durable.
 * @throws {StepError} If a step fails.
 * @throws {Error} If a graceful stop takes longer than `stopTimeout`, and no recovery store lets a later
 * run go on.
 * @throws {FlowDefinitionError} If the flow has no input or no output.
 * @throws {RecoveryError} If the recovery store cannot be used, or has something stored of a step that
 * the flow does not have.
 * @throws {RangeError} If the epoch interval is negative, or `stopTimeout` is not more than zero.
 * @throws {TypeError} If there is no such option.
 * @throws {Error} If a worker process is loading the flow's module, and the call is not under
 * `if (import.meta.main)`: each worker would run the flow by itself too.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
 *
 * const out: number[] = [];
 * const flow = new Dataflow("evens")
 *   .input("numbers", new TestingInputConfig([1, 2, 3, 4]))
 *   .filter((n) => n % 2 === 0)
 *   .capture("out", new TestingOutputConfig(out));
 * const { steps } = await run(flow);
 * assertEquals(out, [2, 4]);
 * assertEquals(steps[1], { stepId: "filter-1", kind: "filter", in: 4, out: 2 });
 * ```
 */
export async function run(flow: FlowHandle, options: RunOptions = {}): Promise<RunResult> {
  refuseRunWhileLoading();
  requireOptions("run", options, OPTIONS);
  const { recovery = null, signal, log = silentLog, clock = systemClock } = options;
  const running = new MemoryRun(graphOf(flow), {
    workers: 1,
    recovery,
    log,
    clock,
    intervalMs: epochMilliseconds(options.epoch),
    stepChanges: stepChangesOf(options),
    stopMs: stopMilliseconds(options),
  });
  const stop = () => running.stop();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await running.run();
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The length of an epoch, in milliseconds, of the option of that name. */
export function epochMilliseconds(epoch: RunOptions["epoch"]): number {
  if (epoch === undefined) return DEFAULT_EPOCH_MS;
  requireOptions("epoch", epoch, ["interval"]);
  return toMilliseconds(epoch.interval, "the epoch interval");
}
