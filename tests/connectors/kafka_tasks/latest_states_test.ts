import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { keyHashOf } from "../../../src/core/key_groups.ts";
import { LatestStates } from "../../../src/connectors/kafka_tasks/latest_states.ts";
import { eachChange } from "../../../src/recovery/store.ts";
import { Random } from "../../support/values/random.ts";

/** The states of all keys, by step and key. */
function statesOf(latest: LatestStates): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const { step, keys } of latest.parts()) {
    assert(keys.length <= 4096);
    for (const { key, state } of keys) {
      const name = JSON.stringify([step, key]);
      assert(!found.has(name), `${name} comes twice`);
      found.set(name, state.slice());
    }
  }
  return found;
}

const nameOf = (step: string, key: string) => Buffer.from(JSON.stringify([step, key]));

/** Keys as people have them, those that JSON spells in another way, and those that look like it. */
const KEYS = [
  ...[
    "",
    "a",
    "key",
    "ключ",
    "\u{1f600}",
    "\ud800",
    'a"b',
    "a\\b",
    "\\u0061",
    "a\nb",
    "\u007f",
    "\u2028",
  ],
  ...['"]', '","', '["count","a"]', "a".repeat(5_000), "positions"],
];

Deno.test("any text is a key, and keys that look alike are told apart", () => {
  const latest = new LatestStates(() => true);
  const expected = new Map<string, Uint8Array>();
  for (const round of [1, 2]) {
    for (const step of KEYS) {
      for (const [i, key] of KEYS.entries()) {
        const state = Uint8Array.of(round, i);
        latest.set(nameOf(step, key), state);
        expected.set(JSON.stringify([step, key]), state);
      }
    }
  }
  assertEquals(statesOf(latest), expected);
  for (const step of KEYS) {
    for (const key of KEYS) assert(latest.has(step, key), nameOf(step, key).toString());
    assert(!latest.has(step, "another") && !latest.has(step, "KEY"));
  }
});

Deno.test("keys that no task writes, or not in this part, are refused", () => {
  const [ours, other] = ["a", "b"];
  const latest = new LatestStates((hash) => hash !== keyHashOf(other));
  latest.set(nameOf("count", ours), null);
  const spelled = [
    ...["", "[]", '["count"]', '["count","a","b"]', '["count",1]', '[1,"a"]', "{}", '["count","a"'],
    ...['["count","a"] ', '["count", "a"]', '["count","\\u0061"]', '["count","a"x', '["count","a]'],
    ...['["count","a\n"]', '["count","a"b"]', '["count","', '["count"', '["positions"]'],
  ];
  for (const name of spelled) {
    assertThrows(() => latest.set(Buffer.from(name), null), Error, undefined, name);
  }
  const bad = Buffer.from('["count","\xff"]', "latin1");
  assertThrows(() => latest.set(bad, null));
  assertThrows(
    () => latest.set(nameOf("count", other), null),
    TypeError,
    'key "b" does not belong',
  );
  assertEquals(latest.size, 1);
});

Deno.test("the last state of each key is kept, of any length, through any changes", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const latest = new LatestStates(() => true);
  const expected = new Map<string, Uint8Array | null>();
  const bytes = new Uint8Array(3 << 20); // as what was fetched, it is used again
  for (let i = 0; i < 30_000; i++) {
    const step = random.pick(["count", "sum", ""]);
    const key = `key ${random.below(10_000)}`;
    const longest = random.below(1_000) === 0 ? bytes.length : random.pick([0, 8, 100, 5_000]);
    const state = random.below(5) === 0 ? null : bytes.subarray(0, random.below(longest + 1));
    state?.fill(i);
    latest.set(nameOf(step, key), state);
    expected.set(JSON.stringify([step, key]), state?.slice() ?? null);
  }
  const where = `seed ${seed}`;
  assertEquals(latest.size, expected.size, where);
  const there = [...expected].filter(([, state]) => state !== null);
  assertEquals(statesOf(latest), new Map(there) as Map<string, Uint8Array>, where);
  const changed = new Map<string, Uint8Array | null>();
  for (const chunk of latest.changes()) {
    for (const { key, state } of eachChange(chunk)) {
      changed.set(JSON.stringify([chunk.step, key]), state?.slice() ?? null);
    }
  }
  assertEquals(changed, expected, where);
  for (const name of expected.keys()) {
    const [step, key] = JSON.parse(name);
    assert(latest.has(step, key), where);
  }
  assert(!latest.has("count", "another") && !latest.has("another", "key 1"));
});

Deno.test("a state that grows with each change takes memory as for some of its copies", () => {
  const latest = new LatestStates(() => true);
  const before = Deno.memoryUsage().external;
  const bytes = new Uint8Array(1 << 20);
  // All of them are 2 GiB.
  for (let length = 1; length <= bytes.length; length += 256) {
    latest.set(nameOf("list", "key"), bytes.subarray(0, length));
  }
  const taken = Deno.memoryUsage().external - before;
  assert(taken < 16 << 20, `${taken} bytes`);
  assertEquals(statesOf(latest).get('["list","key"]')!.length, bytes.length - 255);
});
