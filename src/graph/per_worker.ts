/**
 * Inputs with one partition for each worker, which cannot be shared out anew.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import type { PartitionName, WorkerIndex } from "../core/ids.ts";
import type { Positions } from "./contracts.ts";

/** What the partition of a worker is called: it means something beside as many others only. */
export function partitionOf(worker: WorkerIndex, workerCount: number): PartitionName {
  return `${worker} of ${workerCount}`;
}

/**
 * Makes sure that a run has as many workers as the one whose snapshot it resumes.
 *
 * @throws {Error} If it has not; says what to do.
 */
export function requireSameWorkers(resume: Positions, workerCount: number): void {
  for (const partition of resume.keys()) {
    const count = Number(partition.split(" of ")[1]);
    if (count === workerCount) continue;
    throw new Error(
      `the snapshot has the state of this input on ${counted(count, "worker")}, which cannot be ` +
        `shared out over ${workerCount}: run it with ${count} again (-w ${count}), name its ` +
        `partitions with a PartitionedInputConfig, or start anew (--from-scratch)`,
    );
  }
}
