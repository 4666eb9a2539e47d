import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { createLog } from "../../../src/core/log.ts";
import { type TaskId, taskId } from "../../../src/core/task_id.ts";
import { storedOffsets } from "../../../src/recovery/task_cache/stored_offsets.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";
import { localThread } from "../../support/recovery/task_cache.ts";

/** Has a file with a task's state up to an offset; `null` for one that was never written. */
async function store(caches: TaskCaches, path: string, task: TaskId, offset: bigint | null) {
  const span = { topic: "id", start: 0n, end: 1_000n, deleteRetentionMs: 86_400_000 };
  const cache = await caches.open(path, { app: "app", task, ...span });
  if (offset !== null) await cache.apply([], offset, []);
  return cache;
}

function offsetsIn(folder: TempFolder) {
  const lines: string[] = [];
  const log = createLog((_, message, fields) => lines.push(`${message} ${fields?.file}`));
  return { offsets: storedOffsets(folder.at(""), "app", log), lines };
}

Deno.test("a folder tells how far it has which tasks, also while a file is open", async () => {
  await using folder = await tempFolder();
  const caches = new TaskCaches({ startThread: localThread({}) });
  const [one, two, three] = [1, 2, 3].map((partition) => taskId("keyed", partition));
  const open = await store(caches, folder.at("keyed_1.db"), one, 41n);
  await store(caches, folder.at("keyed_2.db"), two, null);
  await open.flush();
  assertEquals(offsetsIn(folder), { offsets: new Map([[one, 41]]), lines: [] });
  await store(caches, folder.at("keyed_3.db"), three, 7n);
  await caches.close();
  assertEquals(offsetsIn(folder).offsets, new Map([[one, 41], [three, 7]]));
});

Deno.test("files of others, and files that are damaged, are left out", async () => {
  await using folder = await tempFolder();
  Deno.writeTextFileSync(folder.at("node.json"), "{}");
  Deno.writeTextFileSync(folder.at("damaged.db"), "this is no database, but has some length");
  using _other = new DatabaseSync(folder.at("other.db"));
  const caches = new TaskCaches({ startThread: localThread({}) });
  const span = { topic: "id", start: 0n, end: 1_000n, deleteRetentionMs: 86_400_000 };
  const task = taskId("keyed", 4);
  const cache = await caches.open(folder.at("keyed_4.db"), { app: "another", task, ...span });
  await cache.apply([], 5n, []);
  await caches.close();
  const { offsets, lines } = offsetsIn(folder);
  assertEquals(offsets.size, 0);
  assertEquals(lines, [
    `what a file has of a task's state is not known ${folder.at("damaged.db")}`,
  ]);
});
