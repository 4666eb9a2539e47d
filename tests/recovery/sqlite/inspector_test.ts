import { assert, assertEquals, assertRejects } from "@std/assert";
import { SqliteInspector } from "../../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";

const state = new Uint8Array(10);

Deno.test("an inspector sees what has been committed, while a run has the store open", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("orders");
  using inspector = await SqliteInspector.open(path);
  assertEquals(inspector.flow, "orders");
  assertEquals([inspector.epoch, inspector.committedAt], [null, null]);
  assertEquals([inspector.steps(), inspector.positions()], [[], []]);

  const positions = [{ step: "in", role: "input", partition: "p", state } as const];
  const keys = Array.from({ length: 100 }, (_, i) => ({ step: "count", key: `key ${i}`, state }));
  const before = Date.now();
  await store.commit(3, { state: chunks(keys), positions });
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

Deno.test("an inspector lists the first keys, and finds each", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const store = await new SqliteRecoveryConfig(path).open("flow");
  const keys = [
    ...["", "a", "aa", "ab", 'a"b', "a\\b", "b", "\ud7ff", "\ue000", "a\u{10ffff}"],
    ...["\0", "a\0", "a\ud800", "\ud800", "\udfff", "\uffff\ud800", "__proto__"],
    ...Array.from({ length: 30_000 }, (_, i) => `z${i}`),
  ];
  const stateOf = (key: string) => new Uint8Array(key === "aa" ? 9 << 20 : key === "b" ? 200 : 1);
  await store.commit(0, {
    state: chunks(keys.map((key) => ({ step: "s", key, state: stateOf(key) }))),
    positions: [],
  });
  await store.close();

  using inspector = await SqliteInspector.open(path);
  const sorted = keys.toSorted();
  for (const limit of [1, 4, 100, 40_000]) {
    const found = inspector.keys("s", limit);
    assertEquals(found.map(({ key }) => key), sorted.slice(0, limit));
    for (const { key, state } of found) assertEquals(state.length, stateOf(key).length);
  }
  for (const key of [...keys.slice(0, 20), "z29999"]) {
    assertEquals(inspector.get("s", key)?.length, stateOf(key).length, JSON.stringify(key));
  }
  for (const key of ["z", "z30000", "a\ud801", '"']) {
    assertEquals(inspector.get("s", key), undefined);
  }
  assertEquals(inspector.keys("other", 4), []);
});

Deno.test("an inspector refuses a path without a store, and makes none", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  await assertRejects(() => SqliteInspector.open(path), RecoveryError, "there is no such file");
  assertEquals(await Array.fromAsync(Deno.readDir(folder.at("."))), []);
  await folder.write("store.db", "");
  await assertRejects(() => SqliteInspector.open(path), RecoveryError, "it is empty");
  assertEquals((await Deno.stat(path)).size, 0);
});
