/** Applies commits, each to many keys, until it is killed: `kill_child.ts PATH KEYS`. */
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { EXPECTED } from "../../support/recovery/task_cache.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";

const [path, keys] = Deno.args;
const caches = new TaskCaches();
const cache = await caches.open(path, EXPECTED);
let offset = Number(cache.offset ?? 0n);
console.log(`open ${cache.refused}`);
for (;;) {
  const number = new TextEncoder().encode(String(++offset));
  // Some keys come and go, so that blocks and pages are freed too.
  const gone = (i: number) => (i + offset) % 3 === 0;
  const changes = Array.from({ length: Number(keys) }, (_, i) => ({
    step: "count",
    key: `key ${i}`,
    state: gone(i) ? null : number,
  }));
  await cache.apply(chunks(changes), BigInt(offset), [
    { step: "in", role: "input", partition: "p", state: number },
  ]);
  if (offset % 2 === 0) await cache.flush();
  console.log(offset);
}
