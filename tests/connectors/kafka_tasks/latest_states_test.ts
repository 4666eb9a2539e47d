import { assert, assertEquals } from "@std/assert";
import { LatestStates } from "../../../src/connectors/kafka_tasks/latest_states.ts";
import { eachChange } from "../../../src/recovery/store.ts";
import { Random } from "../../support/values/random.ts";

/** The states of all keys, by step and key. */
function statesOf(latest: LatestStates): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const { step, keys } of latest.parts()) {
    assert(keys.length <= 4096);
    for (const { key, state } of keys) {
      const name = `${step}/${key}`;
      assert(!found.has(name), `${name} comes twice`);
      found.set(name, state.slice());
    }
  }
  return found;
}

Deno.test("the last state of each key is kept, of any length, through any changes", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const latest = new LatestStates();
  const expected = new Map<string, Uint8Array | null>();
  const bytes = new Uint8Array(3 << 20); // as what was fetched, it is used again
  for (let i = 0; i < 30_000; i++) {
    const step = random.pick(["count", "sum", ""]);
    const key = `key ${random.below(10_000)}`;
    const longest = random.below(1_000) === 0 ? bytes.length : random.pick([0, 8, 100, 5_000]);
    const state = random.below(5) === 0 ? null : bytes.subarray(0, random.below(longest + 1));
    state?.fill(i);
    latest.set(step, key, state);
    expected.set(`${step}/${key}`, state?.slice() ?? null);
  }
  const where = `seed ${seed}`;
  assertEquals(latest.size, expected.size, where);
  const there = [...expected].filter(([, state]) => state !== null);
  assertEquals(statesOf(latest), new Map(there) as Map<string, Uint8Array>, where);
  const changed = new Map<string, Uint8Array | null>();
  for (const chunk of latest.changes()) {
    for (const { key, state } of eachChange(chunk)) {
      changed.set(`${chunk.step}/${key}`, state?.slice() ?? null);
    }
  }
  assertEquals(changed, expected, where);
  for (const name of expected.keys()) {
    const [step, key] = name.split("/");
    assert(latest.has(step, key), where);
  }
  assert(!latest.has("count", "another") && !latest.has("another", "key 1"));
});

Deno.test("a state that grows with each change takes memory as for some of its copies", () => {
  const latest = new LatestStates();
  const before = Deno.memoryUsage().external;
  const bytes = new Uint8Array(1 << 20);
  // All of them are 2 GiB.
  for (let length = 1; length <= bytes.length; length += 256) {
    latest.set("list", "key", bytes.subarray(0, length));
  }
  const taken = Deno.memoryUsage().external - before;
  assert(taken < 16 << 20, `${taken} bytes`);
  assertEquals(statesOf(latest).get("list/key")!.length, bytes.length - 255);
});
