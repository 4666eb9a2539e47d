import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { loadAll } from "../../support/recovery/stores.ts";
import { killAfter } from "../../support/recovery/kill_after.ts";
import { Random } from "../../support/values/random.ts";

const KEYS = 20_000;
const CHILD = fileURLToPath(new URL("./kill_child.ts", import.meta.url));

Deno.test("a SQLite store holds a whole epoch after kill -9 at any moment", async () => {
  await using folder = await tempFolder();
  const path = folder.at("store.db");
  const random = new Random(20);
  let last = -1;
  let went = 0;
  for (let round = 0; round < 20; round++) {
    const args = [path, String(KEYS)];
    const lines = 1 + random.below(3); // so epochs go on however slow the machine is
    const [opened, ...committed] = await killAfter(CHILD, args, random.below(80), lines);
    assertEquals(opened, "open");
    const store = await new SqliteRecoveryConfig(path).open("killed");
    const resume = await store.resume();
    const found = await loadAll(store);
    await store.close();

    const epoch = resume?.epoch ?? -1;
    const said = Number(committed.at(-1) ?? last);
    assert(epoch === said || epoch === said + 1, `epoch ${epoch}, where ${said} was committed`);
    if (epoch > last) went++;
    last = epoch;
    if (resume === null) continue;
    const decode = (state: Uint8Array) => new TextDecoder().decode(state);
    assertEquals(resume.positions.map(({ state }) => decode(state)), [String(epoch)]);
    for (let i = 0; i < KEYS; i++) {
      const state = found.get(`key ${i}`);
      const expected = (i + epoch) % 3 === 0 ? undefined : String(epoch);
      assertEquals(state && decode(state), expected, `key ${i} in round ${round}`);
    }
  }
  assert(went > 5, `epochs went on in ${went} rounds only`);
});
