/**
 * What a folder has of which tasks, to tell the other machines before any file is opened.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TaskId } from "../../core/task_id.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./schema.ts";
import { readMeta } from "./cache_file.ts";

/**
 * Returns the changelog offsets of the tasks in a folder. They are for choices between machines
 * only: a file is checked when it is opened. Files that cannot be read are left out.
 */
export function storedOffsets(folder: string, app: string, log: Log): Map<TaskId, number> {
  const offsets = new Map<TaskId, number>();
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".db")) continue;
    const path = join(folder, name);
    try {
      const found = offsetOf(path, app);
      if (found !== null) offsets.set(found.task, found.offset);
    } catch (error) {
      log.debug("what a file has of a task's state is not known", {
        file: path,
        reason: messageOf(error),
      });
    }
  }
  return offsets;
}

function offsetOf(path: string, app: string): { task: TaskId; offset: number } | null {
  using db = new DatabaseSync(path, { readOnly: true });
  const pragma = (name: string) => db.prepare(`PRAGMA ${name}`).get()![name];
  if (pragma("application_id") !== APPLICATION_ID) return null;
  if (pragma("user_version") !== SCHEMA_VERSION) return null;
  const found = readMeta(db);
  if (found.app !== app || found.offset === null) return null;
  return { task: found.task as TaskId, offset: Number(found.offset) };
}
