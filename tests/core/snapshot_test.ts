import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import { snapshotOf } from "../../src/core/snapshot.ts";
import { difference } from "../support/values/value_diff.ts";

const ofAProxy = Object.create({ inherited: { at: 1 } }, {
  own: { value: [1], enumerable: true },
});

/** Plain data of every kind. */
const data: readonly unknown[] = [
  { file: "a", at: 1, done: false, size: 7n, none: null, missing: undefined },
  { nested: { lines: [1, [2, { at: 3 }]] }, list: [] },
  [1, "a", [2, { b: 3 }]],
  [1, , 3], // deno-lint-ignore no-sparse-arrays -- what a hole becomes
  new Map<unknown, unknown>([["a", { at: 1 }], [{ key: 1 }, [1]]]),
  new Set([1, { at: 1 }]),
  new Date(7),
  new Date(NaN),
  new Uint8Array([1, 2]),
  /a/g,
  Object.assign(Object.create(null), { at: 1 }),
  JSON.parse(`{ "__proto__": { "at": 1 } }`),
  "abc".match(/b/),
  new RangeError("far"),
];

Deno.test("snapshotOf() returns what the value codec returns", () => {
  for (const value of data) {
    assertEquals(snapshotOf(value), decodeValue(encodeValue(value)), Deno.inspect(value));
    assertEquals(difference(snapshotOf(value), decodeValue(encodeValue(value))), undefined);
  }
  assertEquals((snapshotOf("abc".match(/b/)) as RegExpMatchArray).index, 1);
});

Deno.test("snapshotOf() shares nothing with the value that can be changed", () => {
  const shared = (a: unknown, b: unknown, path: string): void => {
    if (typeof a !== "object" || a === null) return;
    assertNotStrictEquals(a, b, path);
    const entries = a instanceof Map ? [...a] : a instanceof Set ? [...a.entries()] : [];
    const others = b instanceof Map ? [...b] : b instanceof Set ? [...b.entries()] : [];
    for (const [i, entry] of entries.entries()) {
      for (const [j, part] of entry.entries()) shared(part, others[i][j], `${path}<${i}>`);
    }
    for (const key of Object.keys(a)) {
      shared(a[key as keyof typeof a], (b as typeof a)[key as keyof typeof a], `${path}.${key}`);
    }
  };
  for (const value of data) shared(value, snapshotOf(value), Deno.inspect(value));
});

Deno.test("snapshotOf() returns primitives and functions themselves", () => {
  const f = () => {};
  for (const value of [1, "a", 7n, true, null, undefined, Symbol.iterator, f]) {
    assertStrictEquals(snapshotOf(value), value);
  }
});

Deno.test("snapshotOf() copies cycles and what is nested deep", () => {
  const circle: { at: number; self?: unknown } = { at: 1 };
  circle.self = circle;
  const copy = snapshotOf(circle) as typeof circle;
  circle.at = 2;
  assertStrictEquals(copy.self, copy);
  assertEquals(copy.at, 1);
  let deep: unknown = 7;
  for (let depth = 0; depth < 10_000; depth++) deep = [deep];
  assert(encodeValue(snapshotOf(deep)).length > 10_000);
});

Deno.test("snapshotOf() returns a value that cannot be encoded unchanged", () => {
  class Cursor {
    at = 1;
  }
  const throwing = {
    get at(): number {
      throw new Error("not now");
    },
  };
  for (const value of [new Cursor(), { cursor: new Cursor() }, [() => {}], throwing, ofAProxy]) {
    if (Array.isArray(value)) assertEquals(snapshotOf(value), value);
    else assertStrictEquals(snapshotOf(value), value);
  }
});
