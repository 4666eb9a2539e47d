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
import { NO_TELEMETRY, openTelemetry } from "./worker_telemetry.ts";

export type { RunResult };

/** The default length of an epoch. */
const DEFAULT_EPOCH_MS = 10_000;

/** How often values of users' own are exported where Deno exports metrics, in milliseconds. */
const OWN_METRICS_MS = 1_000;

/** Options of {@linkcode run}. */
export interface RunOptions extends StepChangeOptions, StopOptions {
  /** Epochs, the units of recovery. Their length never changes a result. */
  readonly epoch?: {
    /**
     * The least length of an epoch. With zero, each closes as soon as the one before is committed.
     *
     * @default {{ seconds: 10 }}
     */
    readonly interval: Duration;
  };
  /**
   * Where the flow's state is kept. A run continues after the last snapshot of the run before.
   *
   * @default {nowhere}
   */
  readonly recovery?: RecoveryConfig;
  /**
   * Stops the run gracefully when it aborts: what has been read is worked off, for at most
   * `stopTimeout`, and `run` resolves.
   */
  readonly signal?: AbortSignal;
  /**
   * Accepts log lines of the engine and the connectors.
   *
   * @default {silent}
   */
  readonly log?: Log;
  /**
   * The time that epochs and the timers of steps follow; for tests.
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

/** A flow, as any handle on it. */
export interface FlowHandle {
  /** Marks the handle. */
  readonly [FLOW_BRAND]: FlowBrand<unknown>;
}

/**
 * Runs a flow in this process, as one worker.
 *
 * @param flow Any handle on the flow.
 * @returns Counts for each step. It resolves once the inputs have ended or a graceful stop is done,
 * and every output has made everything durable.
 * @throws {StepError} If a step fails.
 * @throws {Error} If a graceful stop takes longer than `stopTimeout`, and no recovery store lets a
 * later run continue.
 * @throws {FlowDefinitionError} If the flow has no input or no output.
 * @throws {RecoveryError} If the recovery store cannot be used, or holds something of a step that
 * the flow does not have.
 * @throws {RangeError} If the epoch interval is negative, or `stopTimeout` is not above zero.
 * @throws {TypeError} If an option is unknown.
 * @throws {Error} If a worker process is loading the flow's module, and the call is not under
 * `if (import.meta.main)`: each worker would run the flow again.
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
  const graph = graphOf(flow);
  const opening = openTelemetry(graph, 0, log);
  const { ownMetrics, traces } = opening === null ? NO_TELEMETRY : await opening;
  const running = new MemoryRun(graph, {
    workers: 1,
    recovery,
    log,
    clock,
    traces,
    intervalMs: epochMilliseconds(options.epoch),
    stepChanges: stepChangesOf(options),
    stopMs: stopMilliseconds(options),
  });
  const stop = () => running.stop();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  const timer = ownMetrics && setInterval(() => ownMetrics.record(), OWN_METRICS_MS);
  try {
    return await running.run();
  } finally {
    if (timer !== null) clearInterval(timer);
    ownMetrics?.record();
    signal?.removeEventListener("abort", stop);
  }
}

/** The length of an epoch, in milliseconds, of the option of that name. */
export function epochMilliseconds(epoch: RunOptions["epoch"]): number {
  if (epoch === undefined) return DEFAULT_EPOCH_MS;
  requireOptions("epoch", epoch, ["interval"]);
  return toMilliseconds(epoch.interval, "the epoch interval");
}
