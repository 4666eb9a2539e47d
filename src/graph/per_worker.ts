/**
 * Inputs with one partition for each worker. Other numbers of workers cannot share these.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import type { PartitionName, WorkerIndex } from "../core/ids.ts";
import type { Positions } from "./contracts.ts";

/**
 * Returns the name of a worker's partition. It includes the number of workers, as the partition
 * means nothing with another number.
 */
export function partitionOf(worker: WorkerIndex, workerCount: number): PartitionName {
  return `${worker} of ${workerCount}`;
}

/**
 * Checks that a run has as many workers as the run whose snapshot it resumes.
 *
 * @throws {Error} If it does not; the message names the cure.
 */
export function requireSameWorkers(resume: Positions, workerCount: number): void {
  for (const partition of resume.keys()) {
    const count = Number(partition.split(" of ")[1]);
    if (count === workerCount) continue;
    throw new Error(
      `the snapshot has the state of this input on ${counted(count, "worker")}, which cannot be ` +
        `shared out over ${workerCount}: run it with ${count} again (-w ${count}), name its ` +
        `partitions with a PartitionedInputConfig, or start over (--from-scratch)`,
    );
  }
}
