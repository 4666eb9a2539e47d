/**
 * Runs a flow in this process.
 *
 * @module
 */
import { type Clock, systemClock } from "../core/clock.ts";
import { type Duration, toMilliseconds } from "../core/duration.ts";
import type { Epoch } from "../core/ids.ts";
import { type Log, silentLog } from "../core/log.ts";
import { requireOptions } from "../core/options.ts";
import { type FLOW_BRAND, type FlowBrand, type FlowGraph, graphOf } from "../graph/graph.ts";
import type { RecoveryConfig } from "../recovery/store.ts";
import type { StepCounts } from "./counts.ts";
import { EpochCoordinator } from "./epochs.ts";
import { InputFailure } from "./input_failure.ts";
import { refuseRunWhileLoading } from "./nesting.ts";
import { RunRecovery } from "./run_recovery.ts";
import { type StepChangeOptions, type StepChanges, stepChangesOf } from "./step_changes.ts";
import { Worker } from "./worker.ts";

/** The length of an epoch where none is given. */
const DEFAULT_EPOCH_MS = 10_000;

/** How a flow runs. */
export interface RunOptions extends StepChangeOptions {
  /** Epochs, the units of recovery. Their length never changes a result. */
  readonly epoch?: {
    /**
     * How long an epoch lasts, at least.
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
  /** Aborting it stops the run gracefully: what has been read is worked off, and `run` resolves. */
  readonly signal?: AbortSignal;
  /**
   * Takes the engine's and the connectors' lines of log.
   *
   * @default {silent}
   */
  readonly log?: Log;
  /**
   * The time that epochs and `notifyAt` go by; for tests.
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
  "log",
  "clock",
];

/** What came of a run. */
export interface RunResult {
  /** Items in and out of each step, in the order the steps were written. */
  readonly steps: readonly StepCounts[];
  /** Whether it was stopped before its inputs ended. */
  readonly stopped: boolean;
}

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
 * @throws {FlowDefinitionError} If the flow has no input or no output.
 * @throws {RecoveryError} If the recovery store cannot be used, or has something stored of a step that
 * the flow does not have.
 * @throws {TypeError} If there is no such option.
 * @throws {Error} If a worker process is loading the flow's module, and the call is not under
 * `if (import.meta.main)`: each worker would run the flow by itself too.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "millrace";
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
  const intervalMs = epochMilliseconds(options.epoch);
  const stepChanges = stepChangesOf(options);
  return await runGraph(graphOf(flow), { ...options, intervalMs, stepChanges });
}

/** The length of an epoch, in milliseconds, of the option of that name. */
export function epochMilliseconds(epoch: RunOptions["epoch"]): number {
  return epoch === undefined
    ? DEFAULT_EPOCH_MS
    : toMilliseconds(epoch.interval, "the epoch interval");
}

/** {@linkcode run}, for a graph that has been checked. */
async function runGraph(
  graph: FlowGraph,
  options: RunOptions & { intervalMs: number; stepChanges: StepChanges },
): Promise<RunResult> {
  const { signal, log = silentLog, clock = systemClock, intervalMs, stepChanges } = options;
  const recovery = await RunRecovery.open(options.recovery ?? null, graph.name, log);
  const worker = new Worker(graph, { index: 0, count: 1, clock, log }, {
    stateChanged: (epoch, chunk) => recovery.stateChanged(epoch, chunk),
    epochClosed: (epoch, positions) => {
      recovery.moved(0, epoch, positions);
      epochs.closed(0, epoch);
    },
    stopRequested: () => worker.stop(),
    inputFailed: (error) => inputFailure.occurred(error),
  });
  let committing = Promise.resolve();
  const fail = (error: unknown) => worker.fail(error);
  const commit = (epoch: Epoch): Promise<void> =>
    committing = recovery.commit(epoch).then(() => void worker.commit(epoch).catch(fail), fail);
  const epochs = new EpochCoordinator({
    closeEpoch: (epoch) => worker.closeEpoch(epoch),
    commitEpoch: commit,
  }, { workers: 1, intervalMs, clock, epoch: recovery.epoch });
  const stop = () => worker.stop();
  const inputFailure = new InputFailure({ clock, log, stop, fail });
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (signal?.aborted) worker.stop();
    await recovery.match(worker.storedSteps, stepChanges);
    const { positions, numbering: snapshots, epoch } = recovery;
    const plans = await worker.plan(positions);
    await worker.open({ epoch, plans, positions, snapshots, mesh: null });
    for await (const { step, keys } of recovery.state(worker.storedSteps.keyed, 1)) {
      worker.restore(step, keys);
    }
    recovery.moved(0, epoch - 1, worker.positionsAt(epoch - 1));
    await recovery.commit(epoch - 1);
    await worker.commit(epoch - 1);
    epochs.start();
    await worker.run();
    epochs.ended(0);
    await committing;
    const last = worker.finalPositions();
    recovery.moved(0, last.epoch, last.positions);
    await recovery.commit(last.epoch);
    await worker.commit(last.epoch);
    if (inputFailure.error !== null) throw inputFailure.error;
    return { steps: worker.counts(), stopped: worker.stopped };
  } catch (error) {
    throw inputFailure.error ?? error;
  } finally {
    inputFailure.close();
    epochs.stop();
    signal?.removeEventListener("abort", stop);
    await worker.close();
    await recovery.close();
  }
}
