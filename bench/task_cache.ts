/**
 * The state of a task on the local disk. It measures how fast changes are written and keys are
 * read, and how long the event loop waits meanwhile: `... task_cache.ts [KEYS]`. The comparison is
 * a row for each key.
 */
import { DatabaseSync } from "node:sqlite";
import type { ExpectedCache } from "../src/recovery/task_cache/expected.ts";
import { TaskCaches } from "../src/recovery/task_cache/task_caches.ts";
import type { StateChunk } from "../src/recovery/store.ts";
import { rateOf } from "./support.ts";

const KEYS = Number(Deno.args[0] ?? 1_000_000);
const STATE_BYTES = 100;
const EPOCH = 100_000;
const folder = await Deno.makeTempDir();
const path = `${folder}/keyed_0.db`;
const expected: ExpectedCache = {
  app: "bench",
  task: "keyed_0",
  topic: "1",
  start: 0n,
  end: 2n ** 60n,
  deleteRetentionMs: 86_400_000,
};
const keyOf = (i: number) => `key-${String(i).padStart(8, "0")}`;

/** Changes of some keys, every `step`th of all and around. */
function* changes(count: number, first: number, step = 7919): Generator<StateChunk> {
  const CHUNK = 4096;
  for (let from = 0; from < count; from += CHUNK) {
    const length = Math.min(CHUNK, count - from);
    const keys = Array.from({ length }, (_, i) => keyOf((first + from + i) * step % KEYS));
    const states = new Uint8Array(length * STATE_BYTES).fill(7);
    const lengths = new Int32Array(length).fill(STATE_BYTES);
    yield { step: "count", ids: new Float64Array(length), keys, states, lengths };
  }
}

/** Returns the waits of the event loop: the longest, and that which 99 % are below. */
async function waits(work: () => Promise<unknown>): Promise<string> {
  let last = performance.now();
  const all: number[] = [];
  const see = () => {
    const now = performance.now();
    all.push(now - last);
    last = now;
  };
  const timer = setInterval(see, 1);
  await work();
  see();
  clearInterval(timer);
  all.sort((a, b) => a - b);
  const p99 = all[Math.floor(all.length * 0.99)];
  return `waits: p99 ${p99.toFixed(0)} ms, longest ${all.at(-1)!.toFixed(0)} ms`;
}

async function timed(title: string, rows: number, work: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  const wait = await waits(work);
  const took = performance.now() - started;
  const rate = rateOf(rows / took * 1000).padStart(7);
  console.log(`  ${title.padEnd(46)}${took.toFixed(0).padStart(7)} ms  ${rate} rows/s  ${wait}`);
}

console.log(
  `\n${KEYS.toLocaleString("en")} keys of 12 characters, states of ${STATE_BYTES} bytes`,
);
let offset = 0n;
{
  const caches = new TaskCaches();
  const cache = await caches.open(path, expected);
  const epochs = (rows: number) =>
    Array.from(
      { length: Math.ceil(rows / EPOCH) },
      (_, i) => [...changes(Math.min(EPOCH, rows - i * EPOCH), i * EPOCH)],
    );
  const write = async (all: StateChunk[][]) => {
    for (const chunks of all) await cache.apply(chunks, offset += BigInt(EPOCH), []);
    await cache.flush();
  };
  const all = epochs(KEYS);
  await timed("write: all keys, new", KEYS, () => write(all));
  await timed("write: all keys, again", KEYS, () => write(all));
  const some = Math.ceil(KEYS / 100);
  const few = epochs(some);
  await timed("write: a hundredth of the keys", some, () => write(few));
  await caches.close();
}
console.log(`  file: ${((await Deno.stat(path)).size / 1e6).toFixed(0)} MB`);
{
  const caches = new TaskCaches();
  let rows = 0;
  await timed("start the thread", 1, async () => {
    await (await caches.open(`${folder}/other.db`, expected)).drop();
  });
  await timed("open, which checks the file", KEYS, async () => {
    await (await caches.open(path, expected)).close();
  });
  const cache = await caches.open(path, expected);
  await timed("read: all keys", KEYS, async () => {
    for await (const { keys } of cache.keys()) rows += keys.length;
  });
  if (rows !== KEYS) throw new Error(`${rows} keys were read`);
  await caches.close();
}

// The comparison, in this thread.
{
  const db = new DatabaseSync(`${folder}/rows.db`);
  db.exec("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  db.exec("CREATE TABLE state (key TEXT PRIMARY KEY, crc INTEGER, state BLOB) WITHOUT ROWID");
  const put = db.prepare("REPLACE INTO state VALUES (?, ?, ?)");
  const write = () => {
    db.exec("BEGIN");
    for (const { keys, states } of changes(KEYS, 0)) {
      keys!.forEach((key, i) =>
        put.run(key, i, states.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES))
      );
    }
    db.exec("COMMIT");
    return Promise.resolve();
  };
  await timed("rows: all keys, new", KEYS, write);
  await timed("rows: all keys, again", KEYS, write);
  const read = db.prepare(
    "SELECT key, crc, state FROM state WHERE key > ? ORDER BY key LIMIT 4096",
  );
  let rows = 0;
  await timed("rows: read", KEYS, () => {
    let last = "";
    for (;;) {
      const found = read.all(last);
      if (found.length === 0) return Promise.resolve();
      rows += found.length;
      last = found.at(-1)!.key as string;
    }
  });
  if (rows !== KEYS) throw new Error(`${rows} rows were read`);
  db.close();
}
await Deno.remove(folder, { recursive: true });
