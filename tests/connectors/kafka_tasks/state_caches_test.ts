import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { StateCaches } from "../../../src/connectors/kafka_tasks/state_caches.ts";
import { createLog, type Log, silentLog } from "../../../src/core/log.ts";
import { taskId } from "../../../src/core/task_id.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import type { StateChunk, StoredPosition } from "../../../src/recovery/store.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { localThread } from "../../support/recovery/task_cache.ts";

const ONE = taskId("keyed", 1);
const TWO = taskId("keyed", 2);
const SPAN = { topic: "id", start: 0n, end: 1_000n, deleteRetentionMs: 86_400_000 };
const AT: StoredPosition[] = [
  { step: "", role: "input", partition: "", state: new Uint8Array([1]) },
];

const changes = (state: string, bytes = 0): StateChunk[] => [
  ...chunks([{
    step: "count",
    key: "key",
    state: new TextEncoder().encode(state.padEnd(bytes)),
  }]),
];

/** The caches of one process. Its thread is in this one. */
function cachesIn(
  folder: TempFolder,
  { log = silentLog, clock = new TestClock(), gate }: {
    log?: Log;
    clock?: TestClock;
    gate?: () => Promise<void>;
  } = {},
) {
  const startThread = localThread(gate === undefined ? {} : { gate });
  const states = new StateCaches({
    folder: folder.at("app"),
    app: "app",
    log,
    clock,
    caches: (log) => new TaskCaches({ log, clock, startThread }),
  });
  return Object.assign(states, { [Symbol.asyncDispose]: () => states.close() });
}

/** Opens a task that has never been committed. */
async function begun(states: StateCaches, task = ONE) {
  const cache = (await states.open(task, SPAN))!;
  cache.follow([], 0n, null);
  return cache;
}

/** What a restart finds. */
async function foundIn(folder: TempFolder, task = ONE) {
  await using states = cachesIn(folder);
  const cache = (await states.open(task, SPAN))!;
  let state: string | null = null;
  for await (const { keys } of cache.keys()) {
    for (const each of keys) state = new TextDecoder().decode(each.state).trim();
  }
  return { offset: cache.offset, positions: cache.positions, state };
}

Deno.test("a file has what was committed, and a task without a commit has none", async () => {
  await using folder = await tempFolder();
  {
    await using states = cachesIn(folder);
    await begun(states);
    await begun(states, TWO);
    await states.committed(ONE, changes("a"), 5, AT);
    await states.committed(taskId("other", 0), changes("b"), 5, AT); // it has no file
  }
  assertEquals(await foundIn(folder), { offset: 5n, positions: AT, state: "a" });
  assertEquals(await foundIn(folder, TWO), { offset: null, positions: [], state: null });
});

Deno.test("the offsets of files are known while they are written, and afterwards", async () => {
  await using folder = await tempFolder();
  await using states = cachesIn(folder);
  const cache = await begun(states);
  assertEquals(states.stored, new Map());
  await states.committed(ONE, changes("a"), 5, AT);
  assertEquals(states.stored, new Map([[ONE, 5]]));
  const copy = (await states.open(TWO, SPAN))!;
  await copy.copy(changes("b"), 6n, null);
  assertEquals(states.stored, new Map([[ONE, 5]]), "there is more before the next point");
  await copy.copy([], 8n, AT);
  states.release(TWO);
  assertEquals(states.stored, new Map([[ONE, 5], [TWO, 8]]));
  await cache.drop();
  assertEquals(states.stored, new Map([[TWO, 8]]));
  const again = (await states.open(ONE, SPAN))!;
  again.follow([], 9n, AT);
  assertEquals(states.stored, new Map([[TWO, 8], [ONE, 9]]));
});

Deno.test("where the broker does not tell the end of a commit, it is read again", async () => {
  await using folder = await tempFolder();
  {
    await using states = cachesIn(folder);
    await begun(states);
    await states.committed(ONE, changes("a"), 5, AT);
    await states.committed(ONE, changes("b"), null, AT);
  }
  assertEquals(await foundIn(folder), { offset: 5n, positions: AT, state: "b" });
});

Deno.test("a task that is being restored gets nothing yet", async () => {
  await using folder = await tempFolder();
  {
    await using states = cachesIn(folder);
    await states.open(ONE, SPAN);
    await states.committed(ONE, changes("a"), 5, AT);
  }
  assertEquals(await foundIn(folder), { offset: null, positions: [], state: null });
});

Deno.test("a task is closed once, and opened again after that", async () => {
  await using folder = await tempFolder();
  await using states = cachesIn(folder);
  await begun(states);
  await assertRejects(() => states.open(ONE, SPAN), Error, "is open already");
  await states.committed(ONE, changes("a"), 5, AT);
  states.release(ONE);
  states.release(ONE);
  assertEquals((await states.open(ONE, SPAN))!.offset, 5n);
  states.release(ONE);
  const opening = states.open(ONE, SPAN);
  states.release(ONE); // while it is being opened
  assertEquals(await opening, null);
  assertEquals((await states.open(ONE, SPAN))!.offset, 5n);
});

Deno.test("a file that is dropped late is not that of a task that is here again", async () => {
  await using folder = await tempFolder();
  {
    await using states = cachesIn(folder);
    const before = (await states.open(ONE, SPAN))!;
    states.release(ONE);
    await begun(states);
    await before.drop();
    await states.committed(ONE, changes("a"), 5, AT);
  }
  assertEquals(await foundIn(folder), { offset: 5n, positions: AT, state: "a" });
});

Deno.test("a crash leaves a file as of an earlier commit", async () => {
  await using folder = await tempFolder();
  const clock = new TestClock();
  const states = cachesIn(folder, { clock });
  await begun(states);
  await states.committed(ONE, changes("a"), 5, AT);
  clock.advance(10_000);
  await states.committed(ONE, changes("b"), 6, AT);
  states.release(ONE);
  assertEquals((await states.open(ONE, SPAN))!.offset, 6n);
  states.abandon();
  assertEquals(await states.open(TWO, SPAN), null);
  assertEquals((await foundIn(folder)).offset, 6n);
});

Deno.test("a file that another process has is waited for, and then done without", async () => {
  await using folder = await tempFolder();
  await using others = cachesIn(folder);
  await begun(others);
  const clock = new TestClock();
  const warnings: string[] = [];
  const log = createLog((level, message, { reason }) => {
    if (level === "warn") warnings.push(`${message}: ${reason}`);
  });
  await using states = cachesIn(folder, { clock, log });
  let isOver = false;
  const opening = states.open(ONE, SPAN).finally(() => isOver = true);
  while (!isOver) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    clock.advance(50);
  }
  assertEquals(await opening, null);
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0], /not kept on the disk: .*another process uses it.*--state-dir/);
  await states.committed(ONE, changes("a"), 5, AT);
  states.release(ONE);
});

Deno.test("a disk that fails for all tasks is warned of once, and holds nobody up", async () => {
  await using folder = await tempFolder();
  const lines: string[] = [];
  const log = createLog((level, message) => void lines.push(`${level} ${message}`));
  const full = () => Promise.reject(new Error("the disk is full"));
  await using states = cachesIn(folder, { log, gate: full });
  await begun(states);
  await begun(states, TWO);
  await states.committed(ONE, changes("a"), 5, AT);
  await states.committed(TWO, changes("b"), 5, AT);
  states.release(ONE); // which writes
  states.release(TWO);
  await begun(states);
  const isWarning = (line: string) => line.startsWith("warn");
  const warnings = lines.filter(isWarning);
  assertEquals(warnings.length, 1, lines.join("\n"));
  assertMatch(warnings[0], /not written to the disk any more/);
});

Deno.test("a disk that is slower than the changes holds them up", async () => {
  await using folder = await tempFolder();
  const isSlow = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const gate = () => {
    isSlow.resolve();
    return open.promise;
  };
  await using states = cachesIn(folder, { gate });
  await begun(states);
  const MIB = 1 << 20;
  let held = 0;
  const commit = async (i: number) => {
    held++;
    await states.committed(ONE, changes(String(i), MIB), i, AT);
    held--;
  };
  const all = Array.from({ length: 200 }, (_, i) => commit(i));
  await isSlow.promise;
  assert(held > 0, "nothing is held up");
  assert(held < 200, "all are held up");
  open.resolve();
  await Promise.all(all);
  states.release(ONE);
  assertEquals((await states.open(ONE, SPAN))!.offset, 199n);
});
