import { assert, assertEquals, assertRejects } from "@std/assert";
import { keyHashOf } from "../../../src/core/key_groups.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { exists } from "../../../src/core/system_error.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { closing, EXPECTED, keysOf, watchedThread } from "../../support/recovery/task_cache.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const change = (key: string, state: string | null, step = "count") => ({
  step,
  key,
  state: state === null ? null : bytes(state),
});
const at = (offset: number) => [
  { step: "in", role: "input" as const, partition: "p", state: bytes(String(offset)) },
];

Deno.test("a task's state, its offset and its positions are there after a restart", async () => {
  await using folder = await tempFolder();
  const path = folder.at("state/orders/keyed_3.db"); // its folders are made
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  assertEquals([cache.offset, cache.positions, cache.refused], [null, [], null]);
  assertEquals(await keysOf(cache), new Map());
  await cache.apply(
    chunks([change("a", "1"), change("b", "1"), change("a", "1", "sum")]),
    5n,
    at(5),
  );
  await cache.apply(chunks([change("a", "2"), change("b", null), change("c", "")]), 9n, at(9));
  await cache.close();

  const again = await caches.open(path, EXPECTED);
  assertEquals([again.offset, again.positions, again.refused], [9n, at(9), null]);
  assertEquals(
    await keysOf(again),
    new Map([
      ["count", new Map([["a", bytes("2")], ["c", bytes("")]])],
      ["sum", new Map([["a", bytes("1")]])],
    ]),
  );
});

Deno.test("any names, keys and sizes of states are kept", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  const names = ["", "\0", "a\0b", "\ud800", "\udc00\ud800", "ü€😀", '"\\', "x".repeat(100_000)];
  const sizes = [0, 1, 127, 8_000, 20_000, 3_000_000];
  const all = names.flatMap((step) =>
    names.map((key, i) => ({ step, key, state: new Uint8Array(sizes[i % sizes.length]).fill(i) }))
  );
  const positions = names.map((step) => ({
    step,
    role: "time" as const,
    partition: step,
    state: bytes("1"),
  }));
  await using caches = closing(new TaskCaches());
  const expected = { ...EXPECTED, app: "\ud800\0", task: "é\0", topic: "" };
  const cache = await caches.open(path, expected);
  await cache.apply(chunks(all), 2n ** 62n - 1n, positions);
  await cache.close();
  const again = await caches.open(path, { ...expected, end: 2n ** 62n });
  assertEquals(again.refused, null);
  assertEquals(again.offset, 2n ** 62n - 1n);
  assertEquals(new Set(again.positions.map(({ partition }) => partition)), new Set(names));
  const found = await keysOf(again);
  for (const { step, key, state } of all) assertEquals(found.get(step)?.get(key), state);
});

Deno.test("keys of the same hash stay in one block, however large", async () => {
  const byHash = new Map<number, string>();
  const pairs: string[] = [];
  for (let i = 0; pairs.length < 10; i++) {
    const key = `key ${i}`;
    const other = byHash.get(keyHashOf(key));
    if (other !== undefined) pairs.push(key, other);
    byHash.set(keyHashOf(key), key);
  }
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  const expected = new Map<string, Uint8Array>();
  const steps = [pairs.slice(0, 6), pairs, pairs.slice(4), pairs];
  for (const [round, keys] of steps.entries()) {
    const state = new Uint8Array(20_000).fill(round);
    for (const key of keys) expected.set(key, state);
    await cache.apply(chunks(keys.map((key) => ({ step: "s", key, state }))), BigInt(round), []);
    await cache.flush();
  }
  await cache.close();
  assertEquals((await keysOf(await caches.open(path, EXPECTED))).get("s"), expected);
});

Deno.test("changes are written together, ten seconds after the first", async () => {
  await using folder = await tempFolder();
  const clock = new TestClock(1_000_000);
  const thread = watchedThread();
  await using caches = closing(new TaskCaches({ clock, startThread: thread.start }));
  const cache = await caches.open(folder.at("t.db"), EXPECTED);
  await cache.apply(chunks([change("a", "1")]), 1n, []);
  clock.advance(9_999);
  await cache.apply(chunks([change("a", "2")]), 2n, []);
  assertEquals(thread.kinds, ["open", "changes", "changes"]);
  clock.advance(1);
  await cache.apply(chunks([change("a", "3")]), 3n, []);
  assertEquals(thread.kinds.slice(3), ["commit", "changes"]);
  clock.advance(9_999);
  await cache.apply(chunks([]), 3n, []);
  assertEquals(thread.kinds.length, 5);
  clock.advance(1);
  await cache.flush(); // nothing is left to write
  assertEquals(thread.kinds.slice(5), ["commit"]);
});

Deno.test("what was not written yet is not in the file after a crash", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  const caches = new TaskCaches();
  const cache = await caches.open(path, EXPECTED);
  await cache.apply(chunks([change("a", "1")]), 1n, at(1));
  await cache.flush();
  await cache.apply(chunks([change("a", "2"), change("b", "2")]), 2n, at(2));
  caches.abandon();

  await using others = closing(new TaskCaches());
  const again = await others.open(path, EXPECTED);
  assertEquals([again.offset, again.positions], [1n, at(1)]);
  assertEquals(await keysOf(again), new Map([["count", new Map([["a", bytes("1")]])]]));
});

Deno.test("a dropped file is gone", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  await cache.apply(chunks([change("a", "1")]), 1n, []);
  await cache.flush();
  await cache.drop();
  assert(cache.isOver);
  for (const suffix of ["", "-wal", "-shm"]) assert(!await exists(path + suffix), suffix);
  await cache.apply(chunks([change("a", "1")]), 2n, []); // nothing happens
  assertEquals((await caches.open(path, EXPECTED)).offset, null);
});

Deno.test("calls that would make the file wrong are refused", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  await using caches = closing(new TaskCaches());
  const cache = await caches.open(path, EXPECTED);
  await cache.apply(chunks([change("a", "1")]), 7n, []);
  await cache.flush();
  await assertRejects(() => cache.apply([], 6n, []), RangeError, "offset 6 is before 7");
  await assertRejects(
    () => cache.apply(chunks([change("a", "1")], false), 8n, []),
    TypeError,
    'changes of step "count" do not hold their keys',
  );
  await assertRejects(() => keysOf(cache), Error, "must be read before the first change");
  await cache.close();
  const again = await caches.open(path, EXPECTED);
  assertEquals(again.offset, 7n);
  await assertRejects(() => again.apply([], 6n, []), RangeError, "offset 6 is before 7");
});
