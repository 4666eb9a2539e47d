import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../../src/core/errors.ts";
import { decodeValue, encodeValue } from "../../../src/core/value_codec.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import type { RecoveryStore } from "../../../src/recovery/store.ts";
import { type Rewinding, rewindInput } from "../../../src/recovery/tools/rewind.ts";
import { chunks } from "../../support/recovery/state_chunks.ts";
import { loadAll, position, put, sorted, within } from "../../support/recovery/stores.ts";

const at = (offset: bigint) => encodeValue({ offset });

const inStore = (work: (store: RecoveryStore) => Promise<void>) =>
  within(new MemoryRecoveryConfig(), async (store) => {
    await store.commit(4, {
      state: chunks([put("a", encodeValue(1))]),
      positions: [
        position("t-0", at(10n)),
        position("t-1", at(20n)),
        position("t-0", at(30n), { step: "other" }),
        position("out", encodeValue(5), { role: "output", step: "out" }),
        position("0", encodeValue({ seen: [], least: 5_000 }), { role: "time", step: "windows" }),
        position("1", encodeValue({ seen: [], least: 9_000 }), { role: "time", step: "windows" }),
        position("0", encodeValue({ seen: [], least: -Infinity }), { role: "time", step: "new" }),
      ],
    });
    await work(store);
  });

/** Moves each position back by three. */
const back: Rewinding = {
  step: "in",
  partition: null,
  move: (positions) =>
    Promise.resolve(positions.map(({ position }) => ({
      offset: (position as { offset: bigint }).offset - 3n,
    }))),
};

const offsets = async (store: RecoveryStore) =>
  sorted((await store.resume())!.positions).filter(({ role }) => role === "input")
    .map(({ step, partition, state }) => [
      step,
      partition,
      (decodeValue(state) as { offset: bigint }).offset,
    ]);

Deno.test("rewind moves the positions of one input, and nothing else", async () => {
  await inStore(async (store) => {
    const { moved, times } = await rewindInput(store, back, { dryRun: false });
    assertEquals(moved, [
      { partition: "t-0", position: { offset: 10n }, to: { offset: 7n } },
      { partition: "t-1", position: { offset: 20n }, to: { offset: 17n } },
    ]);
    assertEquals(times, new Map([["windows", 9_000]]));
    assertEquals(await offsets(store), [
      ["in", "t-0", 7n],
      ["in", "t-1", 17n],
      ["other", "t-0", 30n],
    ]);
    const { epoch, positions } = (await store.resume())!;
    assertEquals([epoch, positions.length], [4, 7]);
    assertEquals(await loadAll(store), new Map([["a", encodeValue(1)]]));
  });
});

Deno.test("rewind moves one partition, or forgets it", async () => {
  await inStore(async (store) => {
    const one = { ...back, partition: "t-1", move: () => Promise.resolve([null]) };
    const { moved } = await rewindInput(store, one, { dryRun: false });
    assertEquals(moved, [{ partition: "t-1", position: { offset: 20n }, to: null }]);
    assertEquals(await offsets(store), [["in", "t-0", 10n], ["other", "t-0", 30n]]);
  });
});

Deno.test("rewind changes nothing in a dry run, nor if it fails", async () => {
  await inStore(async (store) => {
    const before = await store.resume();
    assertEquals((await rewindInput(store, back, { dryRun: true })).moved.length, 2);
    const fails = { ...back, move: () => Promise.reject(new Error("no broker")) };
    await assertRejects(() => rewindInput(store, fails, { dryRun: false }), Error, "no broker");
    for (
      const [wrong, text] of [
        [{ step: "inn" }, `nothing is stored of step "inn"`],
        [{ step: "out" }, `step "out" is not an input`],
        [{ partition: "t-7" }, `nothing is stored of partition "t-7" of step "in"; there are 2`],
      ] as const
    ) {
      const work = () => rewindInput(store, { ...back, ...wrong }, { dryRun: false });
      await assertRejects(work, UsageError, text);
    }
    assertEquals(await store.resume(), before);
  });
});
