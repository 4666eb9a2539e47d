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

/**
 * Names tasks in a line for people: partitions that follow each other are one range.
 *
 * @example
 * ```ts
 * rangesOf([taskId("keyed", 1), taskId("keyed", 0), taskId("orders", 3)]); // "keyed_0-1, orders_3"
 * ```
 */
export function rangesOf(tasks: Iterable<TaskId>): string {
  const bySubtopology = Map.groupBy(Array.from(tasks, partsOf), (each) => each.subtopology);
  return [...bySubtopology].sort(([a], [b]) => a < b ? -1 : 1).map(([name, parts]) => {
    const partitions = parts.map(({ partition }) => partition).sort((a, b) => a - b);
    const ranges: [number, number][] = [];
    for (const partition of partitions) {
      const last = ranges.at(-1);
      if (last?.[1] === partition - 1) last[1] = partition;
      else ranges.push([partition, partition]);
    }
    return `${name}_${ranges.map(([from, to]) => from === to ? from : `${from}-${to}`).join("+")}`;
  }).join(", ");
}
