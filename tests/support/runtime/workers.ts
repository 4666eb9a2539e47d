import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { type Log, silentLog } from "../../../src/core/log.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import type { StepCounts } from "../../../src/runtime/counts.ts";
import type { RecoveryConfig } from "../../../src/recovery/store.ts";
import type { CreditWindow } from "../../../src/runtime/exchange/mesh.ts";
import type { FlowHandle } from "../../../src/runtime/run.ts";
import type { SentFrame } from "../../../src/runtime/run/memory_network.ts";
import { MemoryRun } from "../../../src/runtime/run/memory_run.ts";
import type { Schedule } from "../../../src/runtime/run/schedule.ts";
import { type StepChangeOptions, stepChangesOf } from "../../../src/runtime/step_changes.ts";

/** How {@linkcode runWorkers} runs. */
export interface WorkersOptions extends StepChangeOptions {
  readonly epochMs?: number;
  readonly window?: CreditWindow;
  readonly clock?: Clock;
  readonly recovery?: RecoveryConfig;
  readonly log?: Log;
  /** Delivers what the workers, and their conductor, say to one another. */
  readonly schedule?: Schedule;
  /** Sees every frame that a worker sends to another. */
  readonly onFrame?: (frame: SentFrame) => void;
  /** Told once the workers are there, before they run. */
  readonly onRunning?: (run: MemoryRun) => void;
}

/** Runs a flow on several workers of this process, and returns the counts of each. */
export async function runWorkers(
  flow: FlowHandle,
  count: number,
  options: WorkersOptions = {},
): Promise<{ counts: (readonly StepCounts[])[]; stopped: boolean[] }> {
  const { epochMs = 10_000, recovery = null, clock = systemClock, log = silentLog } = options;
  const { window, schedule, onFrame, onRunning } = options;
  const run: MemoryRun = new MemoryRun(graphOf(flow), {
    workers: count,
    recovery,
    clock,
    log,
    intervalMs: epochMs,
    stepChanges: stepChangesOf(options),
    stopMs: 30_000,
    window,
    schedule,
    onFrame,
    observer: { running: () => onRunning?.(run) },
  });
  await run.run();
  return {
    counts: run.workers.map(({ status }) => status!.steps),
    stopped: run.workers.map(({ worker }) => worker!.stopped),
  };
}
