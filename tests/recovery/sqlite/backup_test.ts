import { assert, assertEquals, assertRejects } from "@std/assert";
import { backUp } from "../../../src/recovery/sqlite/backup.ts";
import { SqliteInspector } from "../../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { RecoveryError, type RecoveryStore } from "../../../src/recovery/store.ts";

/** An empty folder, gone after the test. */
async function folder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Commits an epoch in which a key has a state of one byte. */
async function commit(store: RecoveryStore, epoch: number, byte: number): Promise<void> {
  const chunk = {
    step: "total",
    ids: new Float64Array([0]),
    keys: ["ada"],
    states: new Uint8Array([byte]),
    lengths: new Int32Array([1]),
  };
  await store.commit(epoch, { state: [chunk], positions: [] });
}

/** The epoch of a store, and the byte. */
async function contents(path: string): Promise<[number | null, number]> {
  using store = await SqliteInspector.open(path);
  const [{ state }] = store.keys("total", 1);
  return [store.epoch, state[0]];
}

Deno.test("a copy has the last epoch, though a run uses the store and goes on", async () => {
  await using at = await folder();
  const [path, to] = [`${at.path}/state.db`, `${at.path}/copy.db`];
  const store = await new SqliteRecoveryConfig(path).open("flow");
  try {
    await commit(store, 0, 1);
    await commit(store, 1, 2);
    const { flow, epoch, bytes } = await backUp(path, to);
    assertEquals([flow, epoch, bytes], ["flow", 1, (await Deno.stat(to)).size]);
    await commit(store, 2, 3);
    assertEquals([await contents(to), await contents(path)], [[1, 2], [2, 3]]);
  } finally {
    await store.close();
  }
  const files = [...Deno.readDirSync(at.path)].map(({ name }) => name).toSorted();
  assertEquals(files.filter((name) => name.includes("partial")), []);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(to)).mode! & 0o777, 0o600);
  // It is a store that a run can continue from.
  const copy = await new SqliteRecoveryConfig(to).open("flow");
  try {
    await commit(copy, 2, 9);
  } finally {
    await copy.close();
  }
  assertEquals([await contents(to), await contents(path)], [[2, 9], [2, 3]]);
});

Deno.test("a copy replaces nothing", async () => {
  await using at = await folder();
  const path = `${at.path}/state.db`;
  await (await new SqliteRecoveryConfig(path).open("flow")).close();
  await Deno.writeTextFile(`${at.path}/precious`, "text");
  for (const to of ["precious", "state.db", "."]) {
    const error = await assertRejects(() => backUp(path, `${at.path}/${to}`), RecoveryError);
    assert(error.message.includes("something is there already: give another path"), error.message);
  }
  assertEquals(await Deno.readTextFile(`${at.path}/precious`), "text");
});

Deno.test("a copy that cannot be made leaves nothing, and says why", async () => {
  await using at = await folder();
  const path = `${at.path}/state.db`;
  await (await new SqliteRecoveryConfig(path).open("flow")).close();
  await Deno.writeTextFile(`${at.path}/text`, "no database at all, but long enough to be one");
  for (
    const [from, to, reason] of [
      ["gone.db", "copy.db", "there is no such file"],
      ["text", "copy.db", "not a SQLite database"],
      ["state.db", "gone/copy.db", "cannot be written to"],
    ]
  ) {
    const error = await assertRejects(
      () => backUp(`${at.path}/${from}`, `${at.path}/${to}`),
      RecoveryError,
    );
    assert(error.message.includes(reason), error.message);
  }
  const left = [...Deno.readDirSync(at.path)].map(({ name }) => name);
  assertEquals(left.filter((name) => name.includes("copy")), []);
});
