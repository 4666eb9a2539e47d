/**
 * Tasks: what a group hands out to its members.
 *
 * @module
 */
import type { SubtopologyTasks } from "../wire/streams_tasks.ts";

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

/** Tasks as the protocol lists them, in a fixed order. */
export function toWire(tasks: Iterable<TaskId>): SubtopologyTasks[] {
  const parts = Array.from(tasks, partsOf);
  return [...Map.groupBy(parts, ({ subtopology }) => subtopology)]
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([subtopologyId, each]) => ({
      subtopologyId,
      partitions: each.map(({ partition }) => partition).sort((a, b) => a - b),
    }));
}

/** Tasks out of a list of the protocol. */
export function fromWire(listed: readonly SubtopologyTasks[]): Tasks {
  return new Set(
    listed.flatMap(({ subtopologyId, partitions }) =>
      partitions.map((partition) => taskId(subtopologyId, partition))
    ),
  );
}
