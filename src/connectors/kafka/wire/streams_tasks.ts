/**
 * Tasks of a streams group, as requests and responses list them.
 *
 * @module
 */
import type { WireReader, WireWriter } from "./wire.ts";

/** Tasks of one sub-topology: one for each of these partitions. */
export interface SubtopologyTasks {
  readonly subtopologyId: string;
  readonly partitions: readonly number[];
}

/** Writes tasks; `null` stands for tasks that have not changed. */
export function writeTasks(out: WireWriter, tasks: readonly SubtopologyTasks[] | null): void {
  out.nullableArray(tasks, ({ subtopologyId, partitions }) => {
    out.string(subtopologyId);
    out.array(partitions, (partition) => out.int32(partition));
    out.tags();
  });
}

/** Reads tasks; `null` if they have not changed. */
export function readTasks(from: WireReader): SubtopologyTasks[] | null {
  return from.nullableArray(() => {
    const subtopologyId = from.string() ?? "";
    const partitions = from.array(() => from.int32());
    from.tags();
    return { subtopologyId, partitions };
  });
}
