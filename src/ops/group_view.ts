/**
 * A machine's part of a group, as the operations port shows it.
 *
 * @module
 */
import type { WorkerIndex } from "../core/ids.ts";
import type { TaskId } from "../core/task_id.ts";
import { countsText, type TaskState } from "./task_words.ts";

export type { TaskState };

/** All states, in the order of a task's life. */
export const TASK_STATES: readonly TaskState[] = ["waiting", "restoring", "running", "revoking"];

/** A task of this machine. */
export interface TaskView {
  readonly task: TaskId;
  readonly subtopology: string;
  readonly partition: number;
  /** The worker that has it. */
  readonly worker: WorkerIndex;
  readonly state: TaskState;
  /** How far the restoring has come, in records; `null` if that is not known, or it is over. */
  readonly restored: { readonly done: number; readonly total: number } | null;
  /** What its inputs have read and other tasks have sent it, since it began here. */
  readonly in: number;
  /** What its outputs have been given and it has sent to tasks, since it began here. */
  readonly out: number;
  /** Records of its inputs that it has not read, as far as is known. */
  readonly inputLag: number;
  /** Records that other tasks have sent it and it has not read, as far as is known. */
  readonly shuffleLag: number;
}

/** A copy, on this machine, of the state of a task that another one runs. */
export interface StandbyView {
  readonly task: TaskId;
  readonly worker: WorkerIndex;
  /** Records of the changelog that it does not have; `null` if that is not known. */
  readonly lag: number | null;
  /** Whether it has failed, and begins again within a minute. */
  readonly hasFailed: boolean;
}

/** A member of the group on this machine: a worker. */
export interface MemberView {
  readonly memberId: string;
  /** How many tasks the group has assigned to it since the start, and how they went. */
  readonly assigned: number;
  readonly givenUp: number;
  /** Taken away without a last commit. */
  readonly lost: number;
  /** The last epoch that it has committed, at a time of the run's clock; `null` before. */
  readonly commit: { readonly epoch: number; readonly at: number; readonly ms: number } | null;
}

/** A machine's part of a group. */
export interface GroupView {
  readonly app: string;
  /** What its members join, and in which protocol; `null` until that is known. */
  readonly groupId: string | null;
  readonly protocol: string | null;
  /** Why tasks do not run, as the group says; `null` if they do. */
  readonly status: string | null;
  /** By the index of the worker. */
  readonly members: readonly MemberView[];
  /** In the order of their sub-topologies and partitions. */
  readonly tasks: readonly TaskView[];
  readonly standbys: readonly StandbyView[];
  /** Since when it runs without any task; `null` if it has some, or does not run. */
  readonly idleSince: number | null;
}

/** Returns how many tasks are in each state. */
export function countTasks(tasks: readonly TaskView[]): Readonly<Record<TaskState, number>> {
  const counts = { waiting: 0, restoring: 0, running: 0, revoking: 0 };
  for (const { state } of tasks) counts[state]++;
  return counts;
}

/** Returns the share of the state that has been restored; `null` if nothing is, or is known. */
export function restoredShare(tasks: readonly TaskView[]): number | null {
  let [done, total] = [0, 0];
  for (const { restored } of tasks) {
    done += restored?.done ?? 0;
    total += restored?.total ?? 0;
  }
  return total === 0 ? null : done / total;
}

/** Returns the tasks in words: `12 running, 3 restoring 41 %`. */
export function tasksText(tasks: readonly TaskView[]): string {
  return countsText(countTasks(tasks), restoredShare(tasks));
}
