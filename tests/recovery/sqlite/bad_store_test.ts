import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import process from "node:process";
import { SqliteInspector } from "../../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { SqliteStore } from "../../../src/recovery/sqlite/store.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { loadAll } from "../../support/recovery/stores.ts";
import { keys, makeStore, refusal } from "../../support/recovery/sqlite_store.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";

Deno.test("an empty file is a new store", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("store.db", "");
  await makeStore(path);
  assertEquals(new TextDecoder().decode((await Deno.readFile(path)).slice(0, 13)), "SQLite format");
});

Deno.test("a WAL that was left without its file is not used for a new store", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  await store.commit(0, { state: chunks(keys(100, new Uint8Array(1))), positions: [] });
  await store.commit(1, { state: chunks(keys(1, new Uint8Array(1))), positions: [] });
  const wal = await Deno.readFile(`${path}-wal`);
  assert(wal.length > 0);
  await store.close();
  await Deno.remove(path);
  await Deno.writeFile(`${path}-wal`, wal);
  const next = await new SqliteRecoveryConfig(path).open("flow");
  assertEquals(await next.resume(), null);
  await next.close();
});

Deno.test("a file that is not a SQLite database is refused, and stays", async () => {
  await using folder = await tempFolder();
  for (const text of ["x", "notes of mine\n".repeat(1000)]) {
    const message = await refusal(await folder.write("notes.txt", text));
    assert(message.includes("it is not a SQLite database: choose another path"), message);
  }
});

Deno.test("databases of other applications are refused, and stay", async () => {
  await using folder = await tempFolder();
  const path = folder.at("other.db");
  for (
    const sql of [
      "CREATE TABLE mine (a)",
      "PRAGMA application_id = 7",
      "PRAGMA user_version = 1",
      "PRAGMA journal_mode = WAL; CREATE TABLE mine (a)",
    ]
  ) {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const message = await refusal(path);
    assert(message.includes("a database of another application: choose another path"), message);
    await assertRejects(() => SqliteInspector.open(path), RecoveryError, "another application");
    await Deno.remove(path);
  }
});

Deno.test("a store of another version is refused, and stays", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await makeStore(path);
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 3");
  db.close();
  const message = await refusal(path);
  assert(/has version 3.* reads version 2: run it with a newer one/.test(message), message);
});

Deno.test("a folder is refused as a store, and the folder above a store's must exist", async () => {
  await using folder = await tempFolder();
  const open = (path: string) =>
    assertRejects(() => new SqliteRecoveryConfig(path).open("flow"), RecoveryError);
  assert((await open(folder.at("."))).message.includes("it is not a file"));
  const above = folder.at("no");
  assert(
    (await open(`${above}/such/store.db`)).message.includes(`the folder ${above} does not exist`),
  );
  const file = await folder.write("file", "");
  assert((await open(`${file}/store.db`)).message.includes("it cannot be reached"));
  await assertRejects(() => new SqliteRecoveryConfig(folder.at(".")).drop(), RecoveryError);
  await Deno.symlink("gone", folder.at("link"));
  assert(
    (await open(folder.at("link"))).message.includes(`it is a link to "gone", and that is not`),
  );
});

Deno.test("a store without permission to write or read is a RecoveryError that says so", async () => {
  await using folder = await tempFolder();
  const path = folder.at("in/store.db");
  await makeStore(path);
  const before = await Deno.readFile(path);
  const inside = folder.at("in");
  const root = Deno.uid() === 0;
  const nobody = 65534;
  const modes: [file: number, folder: number, text: RegExp][] = [
    [0o444, 0o755, /it cannot be written: see who may write the file and its folder/],
    [0o000, 0o755, /it cannot be opened: see who may read and write the file and its folder/],
    [0o444, 0o555, /its lock .* cannot be made: this user lacks permission/],
    [0o644, 0o000, /it cannot be reached: this user lacks permission/],
  ];
  for (const [file, mode, text] of modes) {
    if (mode === 0o555) await Deno.remove(`${path}-lock`);
    await Deno.chmod(path, file);
    if (root) {
      for (const each of [folder.at("."), inside, path]) await Deno.chown(each, nobody, nobody);
    }
    for (const left of [`${path}-lock`]) {
      if (root) await Deno.chown(left, nobody, nobody).catch(() => {});
    }
    await Deno.chmod(inside, mode);
    // No file mode can forbid root anything.
    if (root) process.seteuid!(nobody);
    try {
      const { message } = await assertRejects(
        () => new SqliteRecoveryConfig(path).open("flow"),
        RecoveryError,
      );
      assert(text.test(message), message);
    } finally {
      if (root) process.seteuid!(0);
      await Deno.chmod(inside, 0o700);
    }
    assertEquals(await Deno.readFile(path), before);
  }
});

Deno.test("a full disk fails the commit and leaves the epoch before", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const old = new Uint8Array([1]);
  const store = await SqliteStore.open(path, "flow", 20);
  await store.commit(0, { state: chunks(keys(100, old)), positions: [] });
  for (let i = 0; i < 2; i++) {
    const { message } = await assertRejects(
      () => store.commit(1, { state: chunks(keys(100_000, new Uint8Array(100))), positions: [] }),
      RecoveryError,
    );
    assert(message.includes("the disk is full: make room"), message);
  }
  assertEquals((await store.resume())?.epoch, 0);
  // A change that fits can be committed.
  await store.commit(1, {
    state: chunks([{ step: "count", key: "new", state: old }]),
    positions: [],
  });
  await store.close();

  const next = await new SqliteRecoveryConfig(path).open("flow");
  assertEquals((await next.resume())?.epoch, 1);
  const found = await loadAll(next);
  await next.close();
  assertEquals(found.size, 101);
  for (const state of found.values()) assertEquals(state, old);
});

Deno.test("drop deletes stores, also damaged, new, or another version's, and nothing else", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const drop = () => new SqliteRecoveryConfig(path).drop();
  const good = await (async () => {
    await makeStore(path);
    return await Deno.readFile(path);
  })();
  const newer = good.slice();
  newer[63] = 9; // user_version
  for (
    const bytes of [good, good.subarray(0, 5_000), good.with(20_000, 1), newer, new Uint8Array()]
  ) {
    await Deno.writeFile(path, bytes);
    await drop();
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  }
  // If a store was killed at once, all of it may be in the WAL.
  const store = await new SqliteRecoveryConfig(path).open("flow");
  const [file, wal] = await Promise.all([Deno.readFile(path), Deno.readFile(`${path}-wal`)]);
  await store.close();
  await Deno.writeFile(path, file);
  await Deno.writeFile(`${path}-wal`, wal);
  await drop();
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);

  const others = [
    "x",
    "my precious notes\n".repeat(100),
    "SQLite format 3\0",
    new Uint8Array(8192),
  ];
  for (const bytes of others) {
    if (typeof bytes === "string") await Deno.writeTextFile(path, bytes);
    else await Deno.writeFile(path, bytes);
    const before = await Deno.readFile(path);
    await assertRejects(drop, RecoveryError, "it is not a recovery store, so it is not dropped");
    assertEquals(await Deno.readFile(path), before);
  }
  await Deno.remove(path);
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE customers (name)");
  db.close();
  await assertRejects(drop, RecoveryError, "it is not a recovery store, so it is not dropped");
  await Deno.remove(path);
});

Deno.test("a config accepts a path or a file: URL, and nothing else", () => {
  assertEquals(new SqliteRecoveryConfig(new URL("file:///a%20b/c.db")).name, "/a b/c.db");
  for (const path of ["", "a\0b", 7, undefined, new URL("https://example.org/a")]) {
    const error = assertThrows(() => new SqliteRecoveryConfig(path as string), TypeError);
    assert(error.message.startsWith("SqliteRecoveryConfig needs a path, or a file: URL; got "));
  }
});

Deno.test({
  name: "a folder in which no file can be made is named, not the lock that is missing there",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const store = new SqliteRecoveryConfig("/proc/x.db");
    const { message } = await assertRejects(() => store.open("flow"), RecoveryError);
    assertEquals(
      message,
      "recovery store /proc/x.db: no file can be made in the folder /proc: give a path in another one",
    );
  },
});
