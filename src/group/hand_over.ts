/**
 * What machines tell one another while a task moves, so that it stands still for a moment only.
 *
 * ```text
 *   giver, which runs the task            taker, which is to get it
 *     is told to give it up                 is told that it is to get it
 *     goes on                ◀─ preparing ─ reads the task's state to its disk
 *     gives it up            ◀──── ready ── has read all but the last
 * ```
 *
 * Each taker posts again and again, so a post that is lost does not matter. Posts decide when a
 * task moves, and never whether: a giver that hears nothing gives the task up all the same.
 *
 * @module
 */
import type { TaskId } from "../core/task_id.ts";

/** What a taker says of a task. */
export interface TakerNotice {
  /** The id of the taker's member. */
  readonly by: string;
  /**
   * `ready`: there is nothing to wait for, as it has read the state, or cannot before it gets the
   * task. `gone`: it is not to get the task any more.
   */
  readonly stage: "preparing" | "ready" | "gone";
  /** When it said so, in milliseconds since the Unix epoch by its own clock. */
  readonly at: number;
}

/** Where takers post. It has the last notice of each task. */
export interface HandOverBoard {
  /** @throws {Error} If the notices could not be posted. */
  post(notices: ReadonlyMap<TaskId, TakerNotice>): Promise<void>;
  /**
   * Returns the last notices of tasks. A task without any is left out.
   *
   * @throws {Error} If they cannot be read.
   */
  read(tasks: Iterable<TaskId>): Promise<ReadonlyMap<TaskId, TakerNotice>>;
}

/**
 * How long a task that is to move runs on where it is, in milliseconds. It is longer than a session
 * of 45 s, so that a taker that dies is missed before it gets the task.
 */
export const HAND_OVER_MS = 60_000;
