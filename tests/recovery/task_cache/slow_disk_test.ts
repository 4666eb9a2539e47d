import { assert, assertEquals, assertMatch } from "@std/assert";
import { yieldToEventLoop } from "../../../src/core/event_loop.ts";
import { STUCK_MS } from "../../../src/recovery/task_cache/cache_thread.ts";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { createLog } from "../../../src/core/log.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { closing, EXPECTED, keysOf, localThread } from "../../support/recovery/task_cache.ts";

const MIB = 1 << 20;

/** Changes of 16 keys, 16 MiB in all. */
const changes = (fill: number) =>
  chunks(Array.from(
    { length: 16 },
    (_, i) => ({ step: "s", key: `key ${i}`, state: new Uint8Array(MIB).fill(fill) }),
  ));

Deno.test("memory is bounded where the disk is slower than the changes of all tasks", async () => {
  await using folder = await tempFolder();
  const most = { inFlight: 0, waiting: 0 };
  const startThread = localThread(
    { gate: () => yieldToEventLoop() },
    (inFlight, waiting) => {
      most.inFlight = Math.max(most.inFlight, inFlight);
      most.waiting = Math.max(most.waiting, waiting);
    },
  );
  await using caches = closing(new TaskCaches({ startThread }));
  const open = () => Promise.all([1, 2, 3].map((i) => caches.open(folder.at(`${i}.db`), EXPECTED)));
  const all = await open();
  for (let round = 1; round <= 8; round++) {
    await Promise.all(all.map((cache) => cache.apply(changes(round), BigInt(round), [])));
  }
  // Each of the tasks may send one part beyond the bound.
  assert(most.inFlight <= 16 * MIB + 3 * 2 * MIB, `${most.inFlight} bytes on their way`);
  assert(most.inFlight > 8 * MIB, `only ${most.inFlight} bytes on their way: nothing was slow`);
  assert(most.waiting <= 64 * MIB + most.inFlight, `${most.waiting} bytes waiting`);
  assert(most.waiting > 32 * MIB, `only ${most.waiting} bytes waiting`);

  for (const cache of all) await cache.close();
  for (const cache of await open()) {
    assertEquals(cache.offset, 8n);
    const states = [...(await keysOf(cache)).get("s")!.values()];
    assertEquals(states.map((state) => [state.length, state[0]]), Array(16).fill([MIB, 8]));
  }
});

Deno.test("a disk that does not answer holds nobody up: its file is given up", async () => {
  await using folder = await tempFolder();
  const clock = new TestClock();
  const reasons: string[] = [];
  const log = createLog((level, _, { reason }) => level === "warn" && reasons.push(String(reason)));
  const stuck = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  const gate = () => {
    stuck.resolve();
    return open.promise;
  };
  const caches = new TaskCaches({ clock, log, startThread: localThread({ gate }) });
  const cache = await caches.open(folder.at("t.db"), EXPECTED);
  await cache.apply(changes(1), 1n, []);
  let isFlushed = false;
  const flushed = cache.flush().then(() => isFlushed = true);
  await stuck.promise;
  while (!isFlushed) {
    clock.advance(STUCK_MS);
    await yieldToEventLoop();
  }
  await flushed;
  assert(cache.isOver);
  await cache.apply(changes(2), 2n, []); // nothing happens
  await cache.close();
  assertEquals(reasons.length, 2);
  for (const reason of reasons) assertMatch(reason, /^the disk has not answered for 30 s$/);
  open.resolve();
  await caches.close();
});

Deno.test("a full disk ends the writing, not the task; the file stays as it was", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  const reasons: string[] = [];
  const log = createLog((level, _, { reason }) => level === "warn" && reasons.push(String(reason)));
  const caches = new TaskCaches({
    log,
    startThread: localThread({ gate: () => Promise.reject(diskFull()) }),
  });
  await using good = closing(new TaskCaches());
  const before = await good.open(path, EXPECTED);
  await before.apply(changes(1), 1n, []);
  await before.close();

  const cache = await caches.open(path, EXPECTED);
  await cache.apply(changes(2), 2n, []);
  await cache.flush();
  assert(cache.isOver);
  await cache.apply(changes(3), 3n, []);
  await caches.close();
  assertEquals(reasons.length, 1);
  assertMatch(reasons[0], /^the disk is full: make room/);

  const again = await good.open(path, EXPECTED);
  assertEquals([again.refused, again.offset], [null, 1n]);
  assertEquals((await keysOf(again)).get("s")?.get("key 3")?.[0], 1);
});

function diskFull(): Error {
  return Object.assign(new Error("database or disk is full"), {
    code: "ERR_SQLITE_ERROR",
    errcode: 13,
  });
}
