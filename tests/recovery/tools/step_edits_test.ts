import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../../src/core/errors.ts";
import { decodeValue, encodeValue } from "../../../src/core/value_codec.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import type { RecoveryConfig, RecoveryStore } from "../../../src/recovery/store.ts";
import { dropStep, renameStep } from "../../../src/recovery/tools/step_edits.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { loadAll, position, put, sorted, within } from "../../support/recovery/stores.ts";

const state = (n: number) => encodeValue(n);
const NOTE = { partition: "", role: "gone" } as const;

/** A store with two steps, an input, an output and notes. */
async function filled(config: RecoveryConfig): Promise<void> {
  await within(config, async (store) => {
    await store.commit(3, {
      state: chunks([
        ...Array.from({ length: 5_000 }, (_, i) => put(`key ${i}`, state(i), "count")),
        put("a", state(1), "sum"),
      ]),
      positions: [
        position("p", state(1)),
        position("q", state(2), { role: "output", step: "out" }),
        position("w", state(3), { role: "time", step: "count" }),
        position("", encodeValue("windows"), { role: "kind", step: "count" }),
        position("", encodeValue("count"), { role: "gone", step: "old" }),
        position("unfinished:t", state(4), { role: "output", step: "half" }),
      ],
    });
  });
}

const STORES: Readonly<Record<string, (path: string) => RecoveryConfig>> = {
  memory: () => new MemoryRecoveryConfig(),
  SQLite: (path) => new SqliteRecoveryConfig(path),
};

/** All that is stored, with positions in a fixed order and values decoded. */
async function all(store: RecoveryStore) {
  const point = await store.resume();
  return {
    epoch: point?.epoch,
    positions: sorted(point?.positions).map((each) => ({
      ...each,
      state: decodeValue(each.state),
    })),
    steps: Object.fromEntries((await store.steps()).map(({ step, keys }) => [step, keys])),
  };
}

for (const [name, make] of Object.entries(STORES)) {
  const test = (what: string, work: (config: RecoveryConfig) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using folder = await tempFolder();
      const config = make(folder.at("store.db"));
      await filled(config);
      await work(config);
    });

  test("a renamed step has all of the old one, and a note says so", async (config) => {
    await within(config, async (store) => {
      const before = await loadAll(store, "count");
      assertEquals(await renameStep(store, { from: "count", to: "tally" }, { dryRun: false }), {
        keys: 5_000,
        positions: 1,
      });
      assertEquals(await loadAll(store, "tally"), before);
      const { epoch, steps, positions } = await all(store);
      assertEquals([epoch, steps], [3, { tally: 5_000, sum: 1 }]);
      const of = (step: string) => positions.filter((each) => each.step === step);
      assertEquals(of("tally").map(({ role }) => role), ["kind", "time"]);
      assertEquals(of("count"), [{ ...NOTE, step: "count", state: "tally" }]);
      assertEquals(of("old"), [{ ...NOTE, step: "old", state: "count" }]);
    });
    // Open again: nothing was only in memory.
    await within(config, async (store) => {
      assertEquals((await loadAll(store, "tally")).get("key 4999"), state(4_999));
    });
  });

  test("two steps change their names through a third", async (config) => {
    await within(config, async (store) => {
      for (const [from, to] of [["count", "x"], ["sum", "count"], ["x", "sum"]]) {
        await renameStep(store, { from, to }, { dryRun: false });
      }
      const { steps, positions } = await all(store);
      assertEquals(steps, { count: 1, sum: 5_000 });
      const notes = positions.filter(({ role }) => role === "gone");
      assertEquals(notes.map(({ step, state }) => [step, state]), [["old", "count"], ["x", "sum"]]);
    });
  });

  test("inputs and outputs are renamed with their positions", async (config) => {
    await within(config, async (store) => {
      await renameStep(store, { from: "half", to: "whole" }, { dryRun: false });
      await renameStep(store, { from: "in", to: "orders" }, { dryRun: false });
      const { positions } = await all(store);
      const moved = positions.filter(({ step }) => ["whole", "orders"].includes(step));
      assertEquals(moved.map(({ partition }) => partition), ["p", "unfinished:t"]);
    });
  });

  test("a dropped step is gone, and nothing else", async (config) => {
    await within(config, async (store) => {
      assertEquals(await dropStep(store, "count", { dryRun: false }), {
        keys: 5_000,
        positions: 1,
      });
      const { epoch, steps, positions } = await all(store);
      assertEquals([epoch, steps], [3, { sum: 1 }]);
      assertEquals(positions.map(({ step }) => step), ["half", "in", "old", "out"]);
      assertEquals(await loadAll(store, "sum"), new Map([["a", state(1)]]));
    });
  });

  test("a dry run says the same, and changes nothing", async (config) => {
    await within(config, async (store) => {
      const before = await all(store);
      const rename = { from: "count", to: "tally" };
      assertEquals((await renameStep(store, rename, { dryRun: true })).keys, 5_000);
      assertEquals((await dropStep(store, "count", { dryRun: true })).keys, 5_000);
      assertEquals(await all(store), before);
    });
  });

  test("what cannot be done is refused by name, and changes nothing", async (config) => {
    await within(config, async (store) => {
      const before = await all(store);
      const refused = (work: Promise<unknown>, text: string) =>
        assertRejects(() => work, UsageError, text);
      for (const dryRun of [true, false]) {
        const rename = (from: string, to: string) => renameStep(store, { from, to }, { dryRun });
        const names = "the store has count, half, in, out, sum";
        await refused(rename("coutn", "b"), `nothing is stored of step "coutn"; ${names}. Did you`);
        await refused(rename("old", "b"), `nothing is stored of step "old"`);
        await refused(rename("sum", "count"), `something is stored of "count" already`);
        await refused(rename("sum", "in"), `something is stored of "in" already`);
        await refused(rename("sum", "sum"), "it has that name");
        await refused(dropStep(store, "total", { dryRun }), `nothing is stored of step "total"`);
        await refused(dropStep(store, "half", { dryRun }), "not visible yet");
      }
      assertEquals(await all(store), before);
    });
  });
}

Deno.test("a store without an epoch has nothing to rename or drop", async () => {
  await within(new MemoryRecoveryConfig(), async (store) => {
    const work = () => dropStep(store, "a", { dryRun: false });
    await assertRejects(work, UsageError, `"a"; the store has no steps`);
  });
});
