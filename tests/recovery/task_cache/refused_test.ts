import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { ExpectedCache } from "../../../src/recovery/task_cache/expected.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { createLog } from "../../../src/core/log.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { exists } from "../../../src/core/system_error.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { closing, EXPECTED, keysOf } from "../../support/recovery/task_cache.ts";

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;

/** Writes a file as of offset 500, with keys in several blocks. */
async function written(folder: TempFolder, at = NOW): Promise<string> {
  const path = folder.at("t.db");
  if (await exists(path)) await Deno.remove(path);
  const caches = new TaskCaches({ clock: new TestClock(at) });
  const cache = await caches.open(path, EXPECTED);
  for (const round of [1, 2]) {
    const changes = Array.from({ length: 400 }, (_, i) => ({
      step: "count",
      key: `key ${i}`,
      state: new Uint8Array(100).fill(round),
    }));
    await cache.apply(chunks(changes), BigInt(round * 250), [
      { step: "in", role: "input", partition: "p", state: new Uint8Array([round]) },
    ]);
    await cache.flush();
  }
  await caches.close();
  return path;
}

/** Changes a file, with SQLite's help. */
function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

/** Opens a file, and returns why it is not used. If so, it must be empty, and usable again. */
async function refusal(
  path: string,
  other: Partial<ExpectedCache> = {},
  now = NOW,
): Promise<string | null> {
  const expected = { ...EXPECTED, ...other };
  await using caches = closing(new TaskCaches({ clock: new TestClock(now) }));
  const cache = await caches.open(path, expected);
  const { refused } = cache;
  if (refused === null) {
    assertEquals(cache.offset, 500n);
    const states = [...(await keysOf(cache)).get("count")!.values()];
    assertEquals(states, Array(400).fill(new Uint8Array(100).fill(2)));
    return null;
  }
  assertEquals([cache.offset, cache.positions], [null, []]);
  assertEquals(await keysOf(cache), new Map());
  await cache.apply(chunks([{ step: "s", key: "k", state: new Uint8Array(1) }]), expected.end, []);
  await cache.close();
  const again = await caches.open(path, expected);
  assertEquals([again.refused, again.offset], [null, expected.end]);
  assertEquals((await keysOf(again)).size, 1);
  return refused;
}

const cases: Record<string, [Partial<ExpectedCache>, RegExp | null]> = {
  "another app": [{ app: "b" }, /^it belongs to the app "orders", and this is "b"$/],
  "another task": [
    { task: "keyed_4" },
    /^it belongs to the task "keyed_3", and this is "keyed_4"$/,
  ],
  "another topic": [
    { topic: "topic-2" },
    /^it is of another changelog topic: .* topic-1, .* topic-2$/,
  ],
  "a log that begins after it": [
    { start: 501n },
    /^it goes up to offset 500 .* now begins at 501$/,
  ],
  "a log that begins at it": [{ start: 500n }, null],
  "a log that ends before it": [{ end: 499n }, /^it goes up to offset 500 .* now ends at 499$/],
  "a log that ends at it": [{ end: 500n }, null],
};
for (const [name, [other, reason]] of Object.entries(cases)) {
  Deno.test(`a task's file is ${reason === null ? "" : "not "}used with ${name}`, async () => {
    await using folder = await tempFolder();
    const found = await refusal(await written(folder), other);
    if (reason === null) assertEquals(found, null);
    else assertMatch(found ?? "", reason);
  });
}

Deno.test("a task's file is used for half as long as forgotten keys have records", async () => {
  await using folder = await tempFolder();
  const path = await written(folder);
  assertEquals(await refusal(path, {}, NOW + 12 * HOUR), null);
  // Nothing can be missing where nothing came after it.
  assertEquals(await refusal(path, { end: 500n }, NOW + 1_000 * HOUR), null);
  assertEquals(
    await refusal(path, {}, NOW + 12 * HOUR + 1),
    "it is 12.0 h old, and the topic keeps the records of forgotten keys for 24.0 h only " +
      "(delete.retention.ms): a file is used for half that time",
  );
});

Deno.test("a task's file from the future is not used", async () => {
  await using folder = await tempFolder();
  const path = await written(folder);
  assertEquals(await refusal(path, {}, NOW - 30_000), null); // a clock that was set a little
  assertMatch(await refusal(path, {}, NOW - 2 * HOUR) ?? "", /clock has not reached/);
});

Deno.test("files that are not used for one reason are one line of the log", async () => {
  await using folder = await tempFolder();
  const lines: string[] = [];
  const log = createLog((level, message) => void lines.push(`${level} ${message.slice(0, 19)}`));
  await using caches = closing(new TaskCaches({ clock: new TestClock(NOW), log }));
  for (const [name, end] of [["a", 499n], ["b", 498n]] as const) {
    const path = await written(folder);
    const file = path.replace(/[^/]*$/, `${name}.db`);
    await Deno.rename(path, file);
    await caches.open(file, { ...EXPECTED, end });
  }
  assertEquals(lines, [
    "debug the task's state on",
    "info states of tasks on ",
    "debug the task's state on",
  ]);
});

Deno.test("a task's file of another format is not used", async () => {
  await using folder = await tempFolder();
  const path = await written(folder);
  change(path, "PRAGMA user_version = 2");
  assertEquals(await refusal(path), "its format has version 2, and this Millrace reads version 1");
});

const damages: Record<string, string> = {
  "a byte of a state":
    "UPDATE block SET states = zeroblob(length(states)) WHERE place = (SELECT max(place) FROM block)",
  "a key": "UPDATE block SET keys = replace(keys, 'key 7', 'key X')",
  "a block that is missing": "DELETE FROM block WHERE place = (SELECT max(place) FROM block)",
  "a block in another's place": "UPDATE block SET place = place + 1 " +
    "WHERE place = (SELECT max(place) FROM block)",
  "a state that is no blob": "UPDATE block SET states = 'x'",
  "an offset": "UPDATE meta SET log_offset = '499'",
  "a time": "UPDATE meta SET committed_at = committed_at + 1",
  "a position": "UPDATE position SET state = x'09'",
  "a position that is missing": "DELETE FROM position",
  "a step's name": "UPDATE step SET name = 'sum'",
  "no meta": "DELETE FROM meta",
};
for (const [name, sql] of Object.entries(damages)) {
  Deno.test(`a task's file with damage is not used: ${name}`, async () => {
    await using folder = await tempFolder();
    const path = await written(folder);
    change(path, sql);
    assertMatch(await refusal(path) ?? "", /^it is damaged \(.+\)$/);
  });
}

Deno.test("a task's file with a block that is right but older is not used", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  await using caches = closing(new TaskCaches());
  const write = async (fill: number) => {
    const cache = await caches.open(path, EXPECTED);
    const state = new Uint8Array(10).fill(fill);
    await cache.apply(chunks([{ step: "s", key: "k", state }]), BigInt(fill), []);
    await cache.close();
  };
  await write(1);
  await Deno.copyFile(path, folder.at("old.db"));
  await write(2);
  change(
    path,
    `ATTACH '${folder.at("old.db")}' AS old; REPLACE INTO block SELECT * FROM old.block`,
  );
  const cache = await caches.open(path, EXPECTED);
  assertEquals(cache.refused, "it is damaged (a block is older than the others)");
});

Deno.test("a task's file that is cut off or overwritten is not used", async () => {
  await using folder = await tempFolder();
  const { size } = await Deno.stat(await written(folder));
  for (const where of [0, 17, 100, 8192, 8192 * 2 + 5, size / 2, size - 9_000]) {
    const path = await written(folder);
    const file = await Deno.open(path, { write: true });
    await file.seek(where, Deno.SeekMode.Start);
    await file.write(new Uint8Array(8_000).fill(0xa5));
    file.close();
    assertMatch(await refusal(path) ?? "used", /^it is damaged/, `overwritten at ${where}`);
  }
  for (const length of [1, 99, 8192, size / 2, size - 8192]) {
    const path = await written(folder);
    await Deno.truncate(path, length);
    assertMatch(await refusal(path) ?? "used", /^it is damaged/, `cut off at ${length}`);
  }
});

Deno.test("an empty file is used as a new one", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("t.db", "");
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  assertEquals([cache.offset, cache.refused], [null, null]);
});

Deno.test("a database of another application stays as it is", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  change(path, "CREATE TABLE mine (a); INSERT INTO mine VALUES (7); PRAGMA application_id = 5");
  await using caches = closing(new TaskCaches());
  const { message } = await assertRejects(() => caches.open(path, EXPECTED), RecoveryError);
  assertEquals(
    message,
    `task cache ${path}: it is a database of another application: move it away, or give another ` +
      "folder (--state-dir)",
  );
  const db = new DatabaseSync(path);
  assertEquals(db.prepare("SELECT a FROM mine").get()!.a, 7);
  db.close();
});

Deno.test("a task's file that is in use is an error, in this process and in another", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  await cache.apply(chunks([{ step: "s", key: "k", state: new Uint8Array(1) }]), 1n, []);
  const { message } = await assertRejects(() => caches.open(path, EXPECTED), RecoveryError);
  assertMatch(message, /t\.db: another process uses it: give each process .* \(--state-dir\), or/);

  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./kill_child.ts", import.meta.url).pathname, path, "10"],
  });
  const { success, stderr } = await child.output();
  assert(!success);
  assertMatch(new TextDecoder().decode(stderr), /RecoveryError: task cache .* another process/);

  await cache.close();
  assertEquals((await caches.open(path, EXPECTED)).offset, 1n);
});

Deno.test("a folder that cannot be made is an error that names it", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("file", "");
  await using caches = closing(new TaskCaches());
  await assertRejects(
    () => caches.open(`${file}/t.db`, EXPECTED),
    RecoveryError,
    `task cache ${file}/t.db: its folder cannot be made: `,
  );
});
