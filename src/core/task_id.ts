/**
 * Tasks: what a group of machines shares out. A task is a partition of a sub-topology.
 *
 * @module
 */

/** A task's name: its sub-topology and its partition, such as `keyed_3`. */
export type TaskId = string & { readonly [TASK]: true };
declare const TASK: unique symbol;

/** Any number of tasks. */
export type Tasks = ReadonlySet<TaskId>;

/** The name of a task. */
export function taskId(subtopology: string, partition: number): TaskId {
  return `${subtopology}_${partition}` as TaskId;
}

/** The sub-topology and the partition of a task. */
export function partsOf(task: TaskId): { subtopology: string; partition: number } {
  const at = task.lastIndexOf("_");
  return { subtopology: task.slice(0, at), partition: Number(task.slice(at + 1)) };
}
