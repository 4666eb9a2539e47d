/**
 * The SQLite recovery store. It measures how fast epochs are written and keys are read, how long
 * the event loop waits meanwhile, and how large the file becomes. `... recovery_store.ts [KEYS]`
 *
 * The comparison is one statement for each row, in the order of the keys.
 */
import { DatabaseSync } from "node:sqlite";
import { keyGroupOf } from "../src/core/key_groups.ts";
import { SqliteRecoveryConfig } from "../src/recovery/sqlite/sqlite_recovery.ts";
import type { RecoveryStore, StateChunk } from "../src/recovery/store.ts";
import { rateOf } from "./support.ts";

const KEYS = Number(Deno.args[0] ?? 1_000_000);
const folder = await Deno.makeTempDir();
const keyOf = (i: number) => `key-${String(i).padStart(8, "0")}`;

/**
 * Yields changes of this many keys, every `step`th of all and around: in chunks, as workers send
 * them. `spells`: whether the chunks hold new keys. `length`: of the states; -1 forgets the keys.
 */
function* changes(
  count: number,
  { step = 7919, of = KEYS, spells = false, length = 10 } = {},
): Generator<StateChunk> {
  const CHUNK = 4096;
  for (let from = 0; from < count; from += CHUNK) {
    const ids = Float64Array.from(
      { length: Math.min(CHUNK, count - from) },
      (_, i) => (from + i) * step % of,
    );
    const keys = spells ? Array.from(ids, keyOf) : null;
    const lengths = new Int32Array(ids.length).fill(length);
    const states = new Uint8Array(ids.length * Math.max(0, length)).fill(7);
    yield { step: "count", ids, keys, states, lengths };
  }
}

/** Forgets the keys from one on. */
function* forgetting(first: number): Generator<StateChunk> {
  for (const { ids, ...chunk } of changes(KEYS - first, { step: 1, length: -1 })) {
    yield { ...chunk, ids: ids.map((id) => id + first) };
  }
}

/** Returns the longest wait of the event loop, in milliseconds. */
async function longestWait(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const see = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(see, 1);
  await work();
  see();
  clearInterval(timer);
  return longest;
}

async function timed(title: string, rows: number, work: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  const wait = await longestWait(work);
  const took = performance.now() - started;
  console.log(
    `  ${title.padEnd(46)}${took.toFixed(0).padStart(7)} ms  ${
      rateOf(rows / took * 1000).padStart(7)
    } rows/s  longest wait ${wait.toFixed(0)} ms`,
  );
}

async function sizes(path: string): Promise<string> {
  const of = async (name: string) => {
    const { size } = await Deno.stat(name).catch(() => ({ size: 0 }));
    return size / 1e6;
  };
  const [file, wal] = [await of(path), await of(`${path}-wal`)];
  return `${file.toFixed(2)} MB and a WAL of ${wal.toFixed(2)} MB`;
}

async function withStore(
  name: string,
  work: (store: RecoveryStore, path: string) => Promise<void>,
): Promise<void> {
  const path = `${folder}/${name}.db`;
  const store = await new SqliteRecoveryConfig(path).open("bench");
  try {
    await work(store, path);
  } finally {
    await store.close();
  }
}

console.log(`\n${KEYS.toLocaleString("en")} keys of 12 characters, states of 10 bytes`);
await withStore("large", async (store, path) => {
  let epoch = 0;
  const commit = (state: Iterable<StateChunk>) => store.commit(epoch++, { state, positions: [] });
  const spelled = [...changes(KEYS, { spells: true })];
  const all = [...changes(KEYS)];
  await timed("commit of all keys, new", KEYS, () => commit(spelled));
  await timed("commit of all keys, again", KEYS, () => commit(all));
  await timed("commit of all keys, again", KEYS, () => commit(all));
  const some = Math.ceil(KEYS / 100);
  const few = [...changes(some)];
  await timed("commit of a hundredth", some, () => commit(few));
  for (let i = 0; i < 3; i++) await timed("commit of one key", 1, () => commit(changes(1)));
  console.log(`  size: ${await sizes(path)}`);
  await timed("steps()", KEYS, () => store.steps());
  let rows = 0;
  await timed("load of all keys", KEYS, async () => {
    for await (const chunk of store.load("count")) rows += chunk.length;
  });
  if (rows !== KEYS) throw new Error(`${rows} keys were loaded`);
});
await timed("opening, and closing", 1, () => withStore("large", () => Promise.resolve()));
await withStore("large", async (store, path) => {
  const few = KEYS / 10;
  await timed("forgetting nine keys of ten", KEYS - few, () =>
    store.commit(100, {
      state: forgetting(few),
      positions: [],
    }));
  console.log(`  size then: ${await sizes(path)}`);
  for (let epoch = 101; epoch < 110; epoch++) {
    await store.commit(epoch, { state: changes(10, { step: 1 }), positions: [] });
  }
  console.log(`  and 9 small epochs later: ${await sizes(path)}`);
});
await withStore("tenth", async (store, path) => {
  await store.commit(0, {
    state: changes(KEYS / 10, { of: KEYS / 10, spells: true }),
    positions: [],
  });
  console.log(`  what is left, as a snapshot: ${await sizes(path)}`);
});

{
  const db = new DatabaseSync(`${folder}/naive.db`);
  db.exec(
    "PRAGMA journal_mode = WAL; CREATE TABLE state (step, key_group, key BLOB, state BLOB, " +
      "PRIMARY KEY (step, key_group, key)) WITHOUT ROWID",
  );
  const utf8 = new TextEncoder();
  await timed("one statement a row, unsorted, keys as bytes", KEYS, () => {
    db.exec("BEGIN");
    const put = db.prepare("REPLACE INTO state VALUES (1, ?, ?, ?)");
    const state = new Uint8Array(10).fill(7);
    for (let i = 0; i < KEYS; i++) {
      const key = keyOf(i * 7919 % KEYS);
      put.run(keyGroupOf(key), utf8.encode(key), state);
    }
    db.exec("COMMIT");
    return Promise.resolve();
  });
  db.close();
}

console.log("\n10,000 keys, 1,000 epochs that change all of them");
await withStore("epochs", async (store, path) => {
  await store.commit(0, { state: changes(10_000, { of: 10_000, spells: true }), positions: [] });
  const first = await sizes(path);
  let most = 0;
  await timed("commits", 10_000_000, async () => {
    for (let epoch = 1; epoch <= 1000; epoch++) {
      await store.commit(epoch, { state: changes(10_000, { of: 10_000 }), positions: [] });
      const { size } = await Deno.stat(path);
      const wal = await Deno.stat(`${path}-wal`);
      most = Math.max(most, size + wal.size);
    }
  });
  console.log(`  first ${first}; at most ${(most / 1e6).toFixed(2)} MB together`);
});

await Deno.remove(folder, { recursive: true });
