import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { encodeValue } from "../../../src/core/value_codec.ts";
import { SqliteInspector } from "../../../src/recovery/sqlite/inspector.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { killAfter } from "../../support/recovery/kill_after.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { position, put, within } from "../../support/recovery/stores.ts";
import { Random } from "../../support/values/random.ts";

const KEYS = 10_000;
const CHILD = fileURLToPath(new URL("./kill_child.ts", import.meta.url));

Deno.test("a store is as before a tool or as after it, after kill -9 at any moment", async () => {
  await using folder = await tempFolder();
  const random = new Random(18);
  const seen = new Set<string>();
  for (let round = 0; round < 9; round++) {
    const path = folder.at(`${round}.db`);
    await within(new SqliteRecoveryConfig(path), async (store) => {
      const keys = Array.from({ length: KEYS }, (_, i) => put(`${i}`, encodeValue(i), "a"));
      const time = position("0", encodeValue(1), { role: "time", step: "a" });
      await store.commit(1, { state: chunks(keys), positions: [time] });
    }, "killed");
    await killAfter(CHILD, [path], random.below(100), 1 + round % 3);
    using store = await SqliteInspector.open(path);
    const steps = store.steps().map(({ step, keys }) => `${step} ${keys}`);
    assert(["", `a ${KEYS}`, `b ${KEYS}`].includes(steps.join()), steps.join());
    const times = store.positions().filter(({ role }) => role === "time");
    assertEquals(times.map(({ step }) => `${step} ${KEYS}`), steps);
    for (const { step } of store.steps()) assertEquals(store.keys(step, KEYS).length, KEYS);
    seen.add(steps.join());
  }
  assert(seen.size > 1, `each round ended with ${[...seen]}`);
});
