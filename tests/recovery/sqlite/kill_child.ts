/** Commits epoch after epoch, each into all keys, until it is killed: `kill_child.ts PATH KEYS`. */
import { chunks } from "../../support/recovery/state_chunks.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";

const [path, keys] = Deno.args;
const store = await new SqliteRecoveryConfig(path).open("killed");
let epoch = ((await store.resume())?.epoch ?? -1) + 1;
console.log("open");
for (;; epoch++) {
  const number = new TextEncoder().encode(String(epoch));
  // Some keys come and go, so that pages are freed too.
  const gone = (i: number) => (i + epoch) % 3 === 0;
  await store.commit(epoch, {
    state: chunks(Array.from(
      { length: Number(keys) },
      (_, i) => ({ step: "count", key: `key ${i}`, state: gone(i) ? null : number }),
    )),
    positions: [{ step: "in", role: "input", partition: "p", state: number }],
  });
  console.log(epoch);
}
