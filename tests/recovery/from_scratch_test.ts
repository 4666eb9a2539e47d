import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createLog } from "../../src/core/log.ts";
import { FromScratchRecovery } from "../../src/recovery/from_scratch.ts";
import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import {
  RecoveryError,
  type RecoveryStore,
  type StoredPosition,
} from "../../src/recovery/store.ts";
import { chunks } from "../support/recovery/state_chunks.ts";
import { loadAll, position, put } from "../support/recovery/stores.ts";

const UNFINISHED = position("unfinished:t", new Uint8Array([1]), { step: "out", role: "output" });
const OTHERS: readonly StoredPosition[] = [
  position("0", new Uint8Array([2])),
  position("unfinished:0", new Uint8Array([3])), // an input's name means nothing
  position("ids", new Uint8Array([4]), { step: "out", role: "output" }),
];

/** A store with a key and some positions. */
async function filled(positions: readonly StoredPosition[]): Promise<MemoryRecoveryConfig> {
  const config = new MemoryRecoveryConfig();
  const store = await config.open("flow");
  await store.commit(7, { state: chunks([put("a", new Uint8Array([5]))]), positions });
  await store.close();
  return config;
}

/** All that a store has. */
async function contentOf(store: RecoveryStore) {
  const { epoch, positions } = await store.resume() ?? { epoch: null, positions: [] };
  return { epoch, positions, keys: [...(await loadAll(store)).keys()], steps: await store.steps() };
}

Deno.test("a store from scratch has what outputs left unfinished, and is emptied by a commit", async () => {
  const config = await filled([UNFINISHED, ...OTHERS]);
  const scratch = new FromScratchRecovery(config);
  const store = await scratch.open("flow");
  const unfinished = { epoch: -1, positions: [UNFINISHED], keys: [], steps: [] };
  assertEquals(await contentOf(store), unfinished);
  assertEquals((await store.resume())!.isUnfinishedOnly, true);
  await store.commit(-1, { state: [], positions: [] });
  await store.commit(0, { state: chunks([put("b", new Uint8Array([6]))]), positions: [OTHERS[0]] });
  await store.close();

  for (const each of [scratch, config]) {
    const again = await each.open("flow");
    const { epoch, positions, keys } = await contentOf(again);
    assertEquals({ epoch, positions, keys }, { epoch: 0, positions: [OTHERS[0]], keys: ["b"] });
    await again.close();
  }
});

Deno.test("a store from scratch that is closed before a commit keeps all", async () => {
  const config = await filled([UNFINISHED, ...OTHERS]);
  const scratch = new FromScratchRecovery(config);
  for (let run = 0; run < 2; run++) {
    const store = await scratch.open("flow");
    assertEquals((await store.resume())!.positions, [UNFINISHED]);
    await store.close();
  }
  const store = await config.open("flow");
  const { epoch, positions, keys } = await contentOf(store);
  assertEquals({ epoch, positions, keys }, {
    epoch: 7,
    positions: [UNFINISHED, ...OTHERS],
    keys: ["a"],
  });
  await store.close();
});

Deno.test("a store from scratch that is not usable is emptied at once, with a warning", async () => {
  const config = await filled([UNFINISHED]);
  const warnings: string[] = [];
  const log = createLog((level, message, fields) => {
    warnings.push(`${level} ${message} ${fields.reason}`);
  });
  const store = await new FromScratchRecovery(config).open("another flow", log);
  assertEquals(await contentOf(store), { epoch: null, positions: [], keys: [], steps: [] });
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0], /^warn outputs cannot complete what .* belongs to the flow "flow"/);
  await store.close();
});

Deno.test("a store from scratch that another run uses is refused, and stays as it is", async () => {
  const config = await filled([UNFINISHED]);
  const used = await config.open("flow");
  const logged: string[] = [];
  const log = createLog((_level, message) => void logged.push(message));
  await assertRejects(
    () => new FromScratchRecovery(config).open("flow", log),
    RecoveryError,
    "another run uses it",
  );
  assertEquals(logged, []);
  assertEquals((await used.resume())!.positions, [UNFINISHED]);
  await used.close();
});
