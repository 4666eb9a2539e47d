import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { closing, EXPECTED, keysOf } from "../../support/recovery/task_cache.ts";
import { killAfter } from "../../support/recovery/kill_after.ts";
import { Random } from "../../support/values/random.ts";

const KEYS = 20_000;
const CHILD = fileURLToPath(new URL("./kill_child.ts", import.meta.url));

Deno.test("a task's file holds a whole commit of the log after kill -9 at any moment", async () => {
  await using folder = await tempFolder();
  const path = folder.at("t.db");
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  let last = 0;
  let went = 0;
  for (let round = 0; round < 20; round++) {
    const where = `round ${round} of seed ${seed}`;
    const args = [path, String(KEYS)];
    const lines = 1 + random.below(4); // so the file goes on however slow the machine is
    const [opened, ...applied] = await killAfter(CHILD, args, random.below(100), lines);
    assertEquals(opened, "open null", where);
    await using caches = closing(new TaskCaches());
    const cache = await caches.open(path, EXPECTED);
    assertEquals(cache.refused, null, where);
    const offset = Number(cache.offset ?? 0n);
    const said = Number(applied.at(-1) ?? last);
    // Each second one is written; the last line may be missing.
    assert(offset >= said - 1 && offset <= said + 1, `${where}: ${offset}, where ${said} was said`);
    if (offset > last) went++;
    last = offset;
    const found = (await keysOf(cache)).get("count") ?? new Map<string, Uint8Array>();
    const decode = (state: Uint8Array) => new TextDecoder().decode(state);
    if (offset === 0) {
      assertEquals(found.size, 0);
      continue;
    }
    assertEquals(cache.positions.map(({ state }) => decode(state)), [String(offset)]);
    for (let i = 0; i < KEYS; i++) {
      const state = found.get(`key ${i}`);
      const expected = (i + offset) % 3 === 0 ? undefined : String(offset);
      assertEquals(state && decode(state), expected, `key ${i} in ${where}`);
    }
  }
  assert(went > 5, `the file went on in ${went} rounds only`);
});
