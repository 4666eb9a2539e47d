/**
 * Which of a worker's tasks have passed which epochs.
 *
 * A task passes an epoch when its barrier has gone through it. Barriers come from this worker's own
 * sources, which the conductor triggers, and from other workers, which may have
 * been told before. So a task can pass an epoch that this worker has not been told to close yet:
 *
 * ```text
 *   the usual order                      a peer was told first
 *     closeEpoch 7 ─▶ source passes 7      barrier 7 of the peer ─▶ merge passes 7
 *     barrier 7 of the peer                closeEpoch 7 ─▶ source passes 7
 *       ─▶ merge passes 7                    ─▶ epoch 7 is closed
 *       ─▶ epoch 7 is closed
 * ```
 *
 * Either way, an epoch is closed when all tasks have passed it, whatever the worker has been told
 * by then.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";

/** Follows the tasks of a worker through the epochs. */
export class EpochProgress<T> {
  readonly #next = new Map<T, Epoch>(); // the first epoch that a task has not passed yet
  readonly #ended = new Set<T>();
  #epoch: Epoch = 0;
  #reached: Epoch = 0; // the first that no task has passed yet

  /** The tasks that there are, and the epoch that they all start in. Called once. */
  begin(tasks: Iterable<T>, epoch: Epoch): void {
    this.#epoch = this.#reached = epoch;
    for (const task of tasks) this.#next.set(task, epoch);
  }

  /** The first epoch that has not been acknowledged. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Whether all tasks have come to their end. */
  get isOver(): boolean {
    return this.#ended.size === this.#next.size;
  }

  /** A task has passed the epoch after the last one that it passed. */
  passed(task: T): void {
    const next = this.#next.get(task)! + 1;
    this.#next.set(task, next);
    this.#reached = Math.max(this.#reached, next);
  }

  /** A task has come to its end: it counts as having passed every epoch to come. */
  ended(task: T): void {
    this.#ended.add(task);
  }

  /**
   * Returns the next epoch that some task has passed and that is over for all; `null` if there is
   * none. It counts as acknowledged afterwards. The epoch that the last tasks end in is not one of
   * them: it goes with the report of the run's end.
   */
  takeClosed(): Epoch | null {
    const isOver = ([task, next]: [T, Epoch]) => this.#ended.has(task) || next > this.#epoch;
    if (this.#epoch >= this.#reached || !this.#next.entries().every(isOver)) return null;
    return this.#epoch++;
  }

  /** The tasks that have not passed an epoch, in the order they were given. */
  openIn(epoch: Epoch): T[] {
    return this.left.filter((task) => this.#next.get(task)! <= epoch);
  }

  /** The tasks that have not come to their end, in the order they were given. */
  get left(): T[] {
    return [...this.#next.keys()].filter((task) => !this.#ended.has(task));
  }
}
