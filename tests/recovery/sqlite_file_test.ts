import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError, type StateChange } from "../../src/recovery/store.ts";
import { tempFolder } from "../connectors/files/temp_folder.ts";
import { loadAll } from "../conformance/recovery_store.ts";

const state = new Uint8Array(10);

function* changes(count: number, of: Uint8Array | null = state, from = 0): Generator<StateChange> {
  for (let i = from; i < count; i++) yield { step: "count", key: `key ${i}`, state: of };
}

async function sizeOf(path: string): Promise<number> {
  const [file, wal] = await Promise.all([Deno.stat(path), Deno.stat(`${path}-wal`)]);
  return file.size + wal.size;
}

Deno.test("only their owner may read a store's folder and files", async () => {
  await using folder = await tempFolder();
  const path = folder.at("made/store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(10), positions: [] });
  const modeOf = async (of: string) => (await Deno.stat(of)).mode! & 0o777;
  assertEquals(await modeOf(folder.at("made")), 0o700);
  for (const  of of["", "-wal", "-shm", "-lock"]) assertEquals(await modeOf(path + of), 0o600);
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

Deno.test("file and WAL stay below three times of a snapshot", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(10_000), positions: [] });
  const snapshot = (await Deno.stat(path)).size;
  let most = 0;
  for (let epoch = 1; epoch <= 60; epoch++) {
    // All keys, and few of them, for which the WAL is not moved each time.
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

Deno.test("the event loop has its turns while an epoch is written, and keys are loaded", async () => {
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

Deno.test("others read the last epoch while the next one is written", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: changes(10), positions: [] });
  const other = new DatabaseSync(path, { readOnly: true });
  const count = () => other.prepare("SELECT count(*) AS keys FROM state").get()!.keys;
  // A reader that stays keeps the WAL from being moved; epochs are committed all the same.
  const slow = new DatabaseSync(path, { readOnly: true });
  const reading = slow.prepare("SELECT key FROM state").iterate();
  reading.next();
  let seen: unknown;
  function* watched(): Generator<StateChange> {
    yield* changes(45_000);
    // Enough that it is written, and not just gathered.
    yield* changes(50_000, new Uint8Array(5000), 45_000);
    seen = count();
  }
  await store.commit(1, { state: watched(), positions: [] });
  assertEquals([seen, count()], [10, 50_000]);
  await store.commit(2, { state: changes(50_001, state, 50_000), positions: [] });
  assertEquals([[...reading].length, count()], [9, 50_001]);
  slow.close();
  other.close();
  await store.close();
});

Deno.test("an inspector sees what has been committed, while a run has the store open", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("orders");
  using inspector = await SqliteInspector.open(path);
  assertEquals(inspector.flow, "orders");
  assertEquals([inspector.epoch, inspector.committedAt], [null, null]);
  assertEquals([inspector.steps(), inspector.positions()], [[], []]);

  const positions = [{ step: "in", role: "input", partition: "p", state } as const];
  const before = Date.now();
  await store.commit(3, { state: changes(100), positions });
  assertEquals(inspector.epoch, 3);
  const at = inspector.committedAt!.getTime();
  assert(at >= before && at <= Date.now());
  assertEquals(inspector.steps(), [{ step: "count", keys: 100, bytes: 1000 }]);
  assertEquals(inspector.positions(), positions);
  assertEquals(inspector.get("count", "key 7"), state);
  assertEquals(inspector.get("count", "key 100"), undefined);
  assertEquals(inspector.get("no such step", "key 7"), undefined);
  await store.close();
  assertEquals(inspector.epoch, 3);
});

Deno.test("an inspector finds keys by what they begin with", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  const keys = [
    ...["", "a", "aa", "ab", "a\u{10ffff}", "a\u{10ffff}b", "b", "\ud7ff", "\ue000", "\ud7ffx"],
    ...["\0", "a\0", "a\0b", "a\ud800", "\ud800", "\udfff", "\uffff", "\uffff\ud800", "\u{10ffff}"],
  ];
  await store.commit(0, {
    state: keys.map((key) => ({ step: "s", key, state })),
    positions: [],
  });
  await store.close();

  using inspector = await SqliteInspector.open(path);
  for (const prefix of ["", "a", "ab", "a\u{10ffff}", "\ud7ff", "\0", "a\0", "\uffff", "c"]) {
    const found = inspector.keys("s", { prefix, limit: 100 }).map(([key]) => key);
    assertEquals(found.toSorted(), keys.filter((key) => key.startsWith(prefix)).sort(), prefix);
  }
  const first = inspector.keys("s", { limit: 4 }).map(([key]) => key);
  assertEquals(first, ["", "a", "aa", "ab"]);
  assertEquals(inspector.keys("other", { limit: 4 }), []);
  assertThrows(() => inspector.keys("s", { prefix: "\ud800", limit: 4 }), RangeError);
});

Deno.test("an inspector needs a store, and makes none", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await assertRejects(() => SqliteInspector.open(path), RecoveryError, "there is no such file");
  assertEquals(await Array.fromAsync(Deno.readDir(folder.at("."))), []);
  await folder.write("store.db", "");
  await assertRejects(() => SqliteInspector.open(path), RecoveryError, "it is empty");
  assertEquals((await Deno.stat(path)).size, 0);
});
