/**
 * Tasks as the protocol of streams groups lists them.
 *
 * @module
 */
import { partsOf, type TaskId, taskId, type Tasks } from "../../../core/task_id.ts";
import type { SubtopologyTasks } from "../wire/streams_tasks.ts";

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
