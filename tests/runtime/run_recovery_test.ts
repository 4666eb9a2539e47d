import { assert, assertEquals } from "@std/assert";
import { silentLog } from "../../src/core/log.ts";
import { FromScratchRecovery } from "../../src/recovery/from_scratch.ts";
import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import { RunRecovery } from "../../src/runtime/run_recovery.ts";
import { chunks } from "../support/recovery/state_chunks.ts";

/** The parts in which the stored keys of a step are given back to one worker. */
async function partsOf(keys: readonly { key: string; state: Uint8Array }[]) {
  const config = new MemoryRecoveryConfig();
  const store = await config.open("flow");
  const state = chunks(keys.map((each) => ({ step: "count", ...each })));
  await store.commit(0, { state, positions: [] });
  await store.close();
  const recovery = await RunRecovery.open(config, "flow", silentLog);
  try {
    const flow = { keyed: ["count"], inputs: [], outputs: [] };
    await recovery.match(flow, { renames: new Map(), drops: new Set() });
    return await Array.fromAsync(recovery.state(["count"], 1), ({ keys }) => keys);
  } finally {
    await recovery.close();
  }
}

Deno.test("stored keys are given back in parts that are small, or have one key", async () => {
  const large = (1 << 20) * 9;
  const cases = [
    Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, state: new Uint8Array(1 << 20) })),
    Array.from({ length: 20 }, (_, i) => ({
      key: `${i}${"k".repeat(1 << 20)}`,
      state: new Uint8Array(1),
    })),
    [1, large, large, 1].map((length, i) => ({ key: `k${i}`, state: new Uint8Array(length) })),
  ];
  for (const keys of cases) {
    const parts = await partsOf(keys);
    assertEquals(parts.flat().map(({ key }) => key).sort(), keys.map(({ key }) => key).sort());
    for (const part of parts) {
      const bytes = part.reduce((sum, { key, state }) => sum + key.length + state.length, 0);
      assert(part.length === 1 || bytes <= 8 << 20, `${part.length} keys of ${bytes} bytes`);
    }
  }
});

Deno.test("a commit tells how many bytes of states and positions the store was given", async () => {
  const recovery = await RunRecovery.open(new MemoryRecoveryConfig(), "flow", silentLog);
  await recovery.match({ keyed: ["count"], inputs: ["in"], outputs: [] }, {
    renames: new Map(),
    drops: new Set(),
  });
  const { bytes: notes } = await recovery.commit(0);
  const [chunk] = chunks([{ step: "count", key: "a", state: new Uint8Array(7) }]);
  recovery.stateChanged(1, chunk);
  recovery.recordPositions(0, 1, [
    { step: "in", role: "input", partition: "p", state: new Uint8Array(5) },
  ]);
  assertEquals((await recovery.commit(1)).bytes, notes + 12);
  await recovery.close();
  const none = await RunRecovery.open(null, "flow", silentLog);
  assertEquals(await none.commit(0), { ms: 0, bytes: 0 });
});

Deno.test("a run shows the connections of a store that has some", async () => {
  const connection = { to: "store:9092", reconnects: 3, throttledMs: 20 };
  const connections = () => [connection];
  const config = {
    name: "far away",
    open: async (flow: string) =>
      Object.assign(await new MemoryRecoveryConfig().open(flow), { connections }),
    drop: () => Promise.resolve(),
  };
  for (const each of [config, new FromScratchRecovery(config)]) {
    const recovery = await RunRecovery.open(each, "flow", silentLog);
    assertEquals(recovery.connections, [connection]);
    await recovery.close();
  }
  for (const none of [null, new MemoryRecoveryConfig()]) {
    const recovery = await RunRecovery.open(none, "flow", silentLog);
    assertEquals(recovery.connections, []);
    await recovery.close();
  }
});
