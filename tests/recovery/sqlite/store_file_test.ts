import { assert, assertEquals, assertRejects, equal } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { createLog } from "../../../src/core/log.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError, type StateChunk } from "../../../src/recovery/store.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { loadAll } from "../../support/recovery/stores.ts";
import { chunks, type KeyChange } from "../../support/recovery/state_chunks.ts";

const state = new Uint8Array(10);

function* changes(count: number, of: Uint8Array | null = state, from = 0): Generator<StateChunk> {
  const keys = function* (): Generator<KeyChange> {
    for (let i = from; i < count; i++) yield { step: "count", key: `key ${i}`, state: of };
  };
  yield* chunks(keys());
}

async function sizeOf(path: string): Promise<number> {
  const [file, wal] = await Promise.all([Deno.stat(path), Deno.stat(`${path}-wal`)]);
  return file.size + wal.size;
}

Deno.test("only their owner may read a store's folder and files", async () => {
  await using folder = await tempFolder();
  const path = folder.at("made/store.db");
  const logged: string[] = [];
  const log = createLog((level, message, fields) =>
    logged.push(`${level}: ${message}: ${fields.folder}`)
  );
  const store = await new SqliteRecoveryConfig(path).open("flow", log);
  const made = "warn: the folder of the recovery store was not there, and has been made";
  assertEquals(logged, [`${made}: ${folder.at("made")}`]);
  await store.commit(0, { state: changes(10), positions: [] });
  const modeOf = async (file: string) => (await Deno.stat(file)).mode! & 0o777;
  assertEquals(await modeOf(folder.at("made")), 0o700);
  for (const ending of ["", "-wal", "-shm", "-lock"]) {
    assertEquals(await modeOf(path + ending), 0o600);
  }
  await store.close();
  const names = (await Array.fromAsync(Deno.readDir(folder.at("made")))).map(({ name }) => name);
  assertEquals(names.sort(), ["store.db", "store.db-lock"]);
});

Deno.test("another name of the same file is the same store", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await Deno.symlink(path, folder.at("link.db"));
  const link = new SqliteRecoveryConfig(folder.at("link.db"));
  await assertRejects(() => link.open("flow"), RecoveryError, "another run uses it");
  await store.close();
});

Deno.test("file and WAL together stay below three times a snapshot", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(10_000), positions: [] });
  const snapshot = (await Deno.stat(path)).size;
  let most = 0;
  for (let epoch = 1; epoch <= 60; epoch++) {
    // All keys, and sometimes few, for which the WAL is not moved each time.
    const count = epoch % 3 === 0 ? 10_000 : 50;
    await store.commit(epoch, { state: changes(count), positions: [] });
    most = Math.max(most, await sizeOf(path));
  }
  assert(most < 3 * snapshot, `${most} bytes, where a snapshot has ${snapshot}`);
  await store.close();
});

Deno.test("the file becomes small again when keys have been forgotten", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(100_000), positions: [] });
  const large = await sizeOf(path);
  await store.commit(1, { state: changes(100_000, null, 1000), positions: [] });
  for (let epoch = 2; epoch < 5; epoch++) {
    await store.commit(epoch, { state: changes(10), positions: [] });
  }
  const small = await sizeOf(path);
  assert(small < large / 10, `${small} bytes, where there were ${large}`);
  assertEquals((await loadAll(store)).size, 1000);
  await store.close();
});

Deno.test("the event loop runs while an epoch is written, and while keys are loaded", async () => {
  await using folder = await tempFolder();
  const store = await new SqliteRecoveryConfig(folder.at("store.db")).open("flow");
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await store.commit(0, { state: changes(100_000), positions: [] });
  assert(turns >= 3, `${turns} turns while an epoch was written`);
  turns = 0;
  await loadAll(store);
  assert(turns >= 1, `${turns} turns while keys were loaded`);
  clearInterval(timer);
  await store.close();
});

Deno.test("other programs read the last epoch while the next one is written", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(1_000), positions: [] });
  const other = new DatabaseSync(path, { readOnly: true });
  const blocks = "SELECT place FROM state_block";
  const count =
    () => [other.prepare("SELECT keys FROM step").get()!.keys, other.prepare(blocks).all().length];
  // A reader that stays keeps the WAL from being moved; epochs are committed all the same.
  const slow = new DatabaseSync(path, { readOnly: true });
  const reading = slow.prepare(blocks).iterate();
  reading.next();
  const before = count();
  const seen: unknown[] = [];
  const timer = setInterval(() => seen.push(count()), 1);
  await store.commit(1, { state: changes(50_000, new Uint8Array(500)), positions: [] });
  clearInterval(timer);
  const after = count();
  assertEquals(after[0], 50_000);
  // On a busy machine, several looks may fall between the commit and the end of its promise.
  const early = seen.findIndex((look) => equal(look, after));
  const during = early < 0 ? seen : seen.slice(0, early);
  assert(during.length > 5, `looked ${during.length} times`);
  for (const look of during) assertEquals(look, before);
  for (const look of seen.slice(during.length)) assertEquals(look, after);
  await store.commit(2, { state: changes(50_001, state, 50_000), positions: [] });
  assertEquals([[...reading].length, count()[0]], [before[1] as number - 1, 50_001]);
  slow.close();
  other.close();
  await store.close();
});
