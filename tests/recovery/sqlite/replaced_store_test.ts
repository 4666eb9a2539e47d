/** Stores whose files are moved, deleted or replaced while a run uses them. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import {
  type EpochChanges,
  RecoveryError,
  type RecoveryStore,
} from "../../../src/recovery/store.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

function at(epoch: number): EpochChanges {
  const state = new Uint8Array([epoch]);
  return { state: [], positions: [{ step: "in", role: "input", partition: "p", state }] };
}

/** Returns an open store in which two epochs have been committed. */
async function begun(path: string): Promise<RecoveryStore> {
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, at(0));
  await store.commit(1, at(1));
  return store;
}

async function refusal(store: RecoveryStore, epoch = 2): Promise<string> {
  return (await assertRejects(() => store.commit(epoch, at(epoch)), RecoveryError)).message;
}

async function moveAway(path: string): Promise<void> {
  await Deno.rename(path, `${path}.old`);
}

/** Puts a copy in its place, like a restored backup. */
async function replace(path: string): Promise<void> {
  await Deno.copyFile(path, `${path}.copy`);
  await Deno.rename(`${path}.copy`, path);
}

for (const file of ["", "-wal", "-shm", "-lock"]) {
  Deno.test(`no epoch is committed to a store whose file has gone: PATH${file}`, async () => {
    const ways: [change: (path: string) => Promise<void>, what: string][] = [
      [Deno.remove, "moved or deleted"],
      [moveAway, "moved or deleted"],
      [replace, "replaced"],
    ];
    for (const [change, what] of ways) {
      await using folder = await tempFolder();
      const path = folder.at("store.db");
      const store = await begun(path);
      await change(path + file);
      for (let i = 0; i < 2; i++) {
        const message = await refusal(store);
        assertStringIncludes(message, `${path}${file} was ${what} while the run uses it`);
        assertStringIncludes(message, "put the files of the store back");
      }
      await store.close();
    }
  });
}

Deno.test("no epoch is committed to a store whose file was emptied", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await begun(path);
  await Deno.truncate(path);
  assertStringIncludes(await refusal(store), `${path} was emptied`);
  await store.close();
});

Deno.test("a store that was moved and put back has the last epoch that was committed", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await begun(path);
  await moveAway(path);
  await refusal(store);
  await store.close();
  await Deno.rename(`${path}.old`, path);
  const next = await new SqliteRecoveryConfig(path).open("flow");
  assertEquals((await next.resume())?.epoch, 1);
  await next.close();
});

Deno.test("if a deleted lock lets in two runs, the one that commits later is refused", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  for (const isLockBack of [false, true]) {
    const first = await begun(path);
    await moveAway(`${path}-lock`);
    const second = await new SqliteRecoveryConfig(path).open("flow");
    assertEquals((await second.resume())?.epoch, 1);
    if (isLockBack) {
      await second.commit(2, at(2));
      await Deno.rename(`${path}-lock.old`, `${path}-lock`);
      assertStringIncludes(await refusal(first), "another run uses it as well: it has committed");
    } else {
      assertStringIncludes(await refusal(first), `${path}-lock was replaced`);
    }
    await first.close();
    await second.close();
    await new SqliteRecoveryConfig(path).drop();
  }
});
