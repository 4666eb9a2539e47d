/**
 * The names of an input's sources in the run.
 *
 * @module
 */
import type { PartitionName, StepId, WorkerIndex } from "../../core/ids.ts";
import { type SourceName, sourceName } from "./controls.ts";

/**
 * Makes each name once. A name that is made again for each batch costs as much as several items:
 * maps have to hash it again.
 */
export class SourceNames {
  readonly #step: StepId;
  readonly #worker: WorkerIndex;
  readonly #names = new Map<PartitionName | undefined, SourceName>();

  /** Of the part of an input on a worker. */
  constructor(step: StepId, worker: WorkerIndex) {
    this.#step = step;
    this.#worker = worker;
  }

  /** Returns the name of a partition; without one, of the whole share. */
  of(partition: PartitionName | undefined): SourceName {
    let name = this.#names.get(partition);
    if (name === undefined) {
      name = sourceName(this.#step, this.#worker, partition);
      this.#names.set(partition, name);
    }
    return name;
  }
}
