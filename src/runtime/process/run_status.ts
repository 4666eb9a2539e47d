/**
 * How far a run on several workers has come.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { Progress } from "../../graph/contracts.ts";
import { type StepCounts, sumCounts } from "../counts.ts";
import type { WorkerStatus } from "../run/worker_port.ts";

/** The progress of a run. */
export interface RunStatus {
  /** Items in and out of each step, over all workers. */
  readonly steps: readonly StepCounts[];
  /** How much of the inputs has been read, if their lengths are known. */
  readonly progress: Progress | null;
  /** What inputs and outputs are waiting for, such as `broker`. */
  readonly waitingFor: readonly string[];
  /** Items that came in on each worker, by its index. */
  readonly workers: readonly WorkerItems[];
}

/** What one worker has read and written. */
export interface WorkerItems {
  /** The worker's index. */
  readonly worker: WorkerIndex;
  /** Items in, over all inputs. */
  readonly in: number;
  /** Items out, over all outputs. */
  readonly out: number;
}

/** The whole, out of what each worker said last; `null` where it has not said anything yet. */
export function runStatusOf(workers: readonly (WorkerStatus | null)[]): RunStatus {
  const known = workers.filter((status) => status !== null);
  return {
    steps: sumCounts(known.map(({ steps }) => steps)),
    progress: known.length < workers.length
      ? null
      : sumProgress(known.map(({ progress }) => progress)),
    waitingFor: [...new Set(known.flatMap(({ waitingFor }) => waitingFor))],
    workers: workers.map((status, worker) => ({ worker, ...itemsOf(status?.steps ?? []) })),
  };
}

/** Items in over all inputs, and out over all outputs. */
export function itemsOf(steps: readonly StepCounts[]): { in: number; out: number } {
  const sum = { in: 0, out: 0 };
  for (const step of steps) {
    if (step.kind === "input") sum.in += step.out;
    if (step.kind === "capture") sum.out += step.in;
  }
  return sum;
}

function sumProgress(all: readonly (Progress | null)[]): Progress | null {
  return all.reduce((sum, progress) =>
    sum === null || progress === null || sum.unit !== progress.unit ? null : {
      ...sum,
      done: sum.done + progress.done,
      total: sum.total + progress.total,
    }
  );
}
