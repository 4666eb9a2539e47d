import { assertEquals } from "@std/assert";
import { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { chunks, type KeyChange } from "../../support/recovery/state_chunks.ts";
import { closing, EXPECTED, keysOf } from "../../support/recovery/task_cache.ts";
import { Random } from "../../support/values/random.ts";

type States = Map<string, Map<string, Uint8Array>>;

/** Random changes of one commit. */
function randomChanges(random: Random, keys: number): KeyChange[] {
  const largest = random.pick([10, 10, 200, 30_000]);
  return Array.from({ length: random.below(random.pick([3, 500, 3000])) }, () => ({
    step: random.pick(["a", "b"]),
    key: `key ${random.below(keys)}`,
    state: random.below(4) === 0
      ? null
      : new Uint8Array(random.below(random.below(20) === 0 ? largest : 10)).fill(random.below(256)),
  }));
}

function applyTo(states: States, changes: readonly KeyChange[]): void {
  for (const { step, key, state } of changes) {
    const ofStep = states.get(step) ?? new Map<string, Uint8Array>();
    states.set(step, ofStep);
    if (state === null) ofStep.delete(key);
    else ofStep.set(key, state);
    if (ofStep.size === 0) states.delete(step);
  }
}

const copyOf = (states: States): States =>
  new Map([...states].map(([step, keys]) => [step, new Map(keys)]));

Deno.test("a task's file holds what a Map holds, whatever is applied, flushed and reopened", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  for (let round = 0; round < 6; round++) {
    await using folder = await tempFolder();
    const path = folder.at("t.db");
    const keys = random.pick([5, 300, 20_000]);
    let flushed: { offset: bigint | null; states: States } = { offset: null, states: new Map() };
    let offset = 0n;
    for (let run = 0; run < 4; run++) {
      const where = `round ${round}, run ${run} of seed ${seed}`;
      await using caches = closing(new TaskCaches());
      const cache = await caches.open(path, EXPECTED);
      assertEquals([cache.refused, cache.offset], [null, flushed.offset], where);
      assertEquals(await keysOf(cache), flushed.states, where);
      // A task that goes on from an older offset gets the changes since then again.
      const states = copyOf(flushed.states);
      offset = flushed.offset ?? 0n;
      for (let commit = random.below(12); commit > 0; commit--) {
        const changes = randomChanges(random, keys);
        applyTo(states, changes);
        await cache.apply(chunks(changes), ++offset, []);
        if (random.below(3) > 0) continue;
        await cache.flush();
        flushed = { offset, states: copyOf(states) };
      }
      if (random.below(2) === 0) {
        caches.abandon(); // as a crash does
      } else {
        if (offset > (flushed.offset ?? 0n)) flushed = { offset, states: copyOf(states) };
        await cache.close();
      }
    }
  }
});
