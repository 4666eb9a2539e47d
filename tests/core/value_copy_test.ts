import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createCopier, isFlat, mayHold } from "../../src/core/value_copy.ts";
import { difference } from "../support/values/value_diff.ts";
import { Random } from "../support/values/random.ts";
import { randomValue } from "../support/values/random_value.ts";

const copyOf = createCopier();

/** All objects in a value that a copy must have its own of. */
function partsOf(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== "object" || value === null || found.has(value)) return found;
  if (value instanceof Error || value instanceof RegExp) return found;
  if (["Number", "String", "Boolean", "BigInt"].includes(value.constructor?.name)) return found;
  found.add(value);
  if (ArrayBuffer.isView(value)) found.add(value.buffer);
  else if (value instanceof Map) { for (const part of [...value].flat()) partsOf(part, found); }
  else if (value instanceof Set) { for (const part of value) partsOf(part, found); }
  else if (!(value instanceof ArrayBuffer)) {
    for (const part of Object.values(value)) partsOf(part, found);
  }
  return found;
}

Deno.test("copies are as the values are, and have no part of theirs, when values are random", () => {
  const first = Math.floor(Math.random() * 2 ** 31);
  for (let seed = first; seed < first + 400; seed++) {
    const value = randomValue(new Random(seed));
    const copy = copyOf(value);
    const differs = difference(value, copy);
    // An error stays as it is, with a cause that may lead back into the value and not into the
    // copy.
    if (!differs?.includes(".cause")) assertEquals(differs, undefined, `seed ${seed}`);
    const shared = partsOf(copy).intersection(partsOf(value));
    assertEquals(shared.size, 0, `seed ${seed}: ${Deno.inspect([...shared][0])}`);
  }
});

Deno.test("primitives and functions are their own copies", () => {
  for (const value of [1, "a", null, undefined, true, 7n, Symbol.iterator, () => 1]) {
    assertStrictEquals(copyOf(value), value);
  }
});

Deno.test("class instances stay the objects that they are, wherever they are in a value", () => {
  class Sum {
    #n = 1;
    get n() {
      return this.#n;
    }
  }
  class List extends Array {}
  const [sum, list, instant] = [new Sum(), new List(3), Temporal.Instant.from("2026-01-01T00Z")];
  assertStrictEquals(copyOf(sum), sum);
  assertStrictEquals(copyOf(list), list);
  const copy = copyOf({ sum, in: [list, new Map([[sum, instant]])] as const });
  assertStrictEquals(copy.sum.n, 1);
  assertStrictEquals(copy.in[0], list);
  assertStrictEquals(copy.in[1].get(sum), instant);
});

Deno.test("cycles, and what is nested deeply, are copied with the same shape", () => {
  const cycle: unknown[] = [{}];
  cycle.push(cycle, new Map([[cycle, new Set([cycle])]]));
  const copy = copyOf(cycle);
  assertStrictEquals(copy[1], copy);
  assertEquals(difference(cycle, copy), undefined);
  assertNotStrictEquals(copy[0], cycle[0]);

  type Nested = { inner?: Nested; depth: number };
  let deep: Nested = { depth: 0 };
  for (let depth = 1; depth < 100_000; depth++) deep = { inner: deep, depth };
  let at: Nested | undefined = copyOf(deep);
  let own: Nested | undefined = deep;
  let depth = 0;
  for (; at !== undefined; at = at.inner, own = own!.inner, depth++) {
    if (at === own || at.depth !== own!.depth) throw new Error(`at ${at.depth}`);
  }
  assertEquals(depth, 100_000);
});

Deno.test("what doubles at each level is copied in no time, as a graph", () => {
  let value: unknown = [];
  for (let level = 0; level < 60; level++) value = [value, value];
  let copy = copyOf(value) as unknown[];
  for (; copy.length > 0; copy = copy[0] as unknown[]) assertStrictEquals(copy[0], copy[1]);
});

Deno.test("copies keep what plain objects and arrays have besides their values", () => {
  const bare = Object.assign(Object.create(null), { a: [1] });
  assertEquals(difference(bare, copyOf(bare)), undefined);
  const proto = JSON.parse('{ "__proto__": { "a": [1] } }');
  const copy = copyOf(proto);
  assertEquals(difference(proto, copy), undefined);
  assertNotStrictEquals(Object.entries(copy)[0][1], Object.entries(proto)[0][1]);
  const match = /(?<word>b)(c)?/.exec("abc")!;
  const { index, input, groups } = copyOf(match);
  assertEquals([index, input, groups?.word], [1, "abc", "b"]);
  // deno-lint-ignore no-sparse-arrays
  assertEquals(Object.keys(copyOf([1, , 3])), ["0", "2"]);
  let asked = 0;
  const counted = copyOf({
    get list() {
      return [++asked];
    },
  });
  assertEquals([counted.list, counted.list, asked], [[1], [1], 1]); // what it was
});

Deno.test("bytes are copied without the buffer around them, and keep their kind", () => {
  const { buffer } = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  for (const view of [new Uint8Array(buffer, 2, 2), new DataView(buffer, 2, 2)]) {
    const copy = copyOf(view);
    assertStrictEquals(copy.constructor, view.constructor);
    assertEquals(new Uint8Array(copy.buffer), new Uint8Array([3, 4]));
  }
  const text = Buffer.from("text");
  const copy = copyOf(text);
  text[0] = 0;
  assertEquals([Buffer.isBuffer(copy), copy.toString()], [true, "text"]);
});

Deno.test("an error that a getter throws is passed on", () => {
  const broken = new RangeError("broken");
  const value = {
    get a() {
      throw broken;
    },
  };
  let thrown: unknown;
  try {
    copyOf([value]);
  } catch (error) {
    thrown = error;
  }
  assertStrictEquals(thrown, broken);
});

Deno.test("isFlat() returns whether a small object has nothing but primitives in it", () => {
  for (const flat of [[], {}, [1, "a", null], { a: 1, b: undefined, c: 7n }]) {
    assert(isFlat(flat), Deno.inspect(flat));
  }
  const long = Array.from({ length: 17 }, (_, i) => i);
  const others = [
    [[]],
    { a: {} },
    [1, new Date()],
    [() => 1],
    new Map(),
    new Set(),
    new Date(),
    long,
    {
      ...long,
    },
  ];
  for (const other of others) assert(!isFlat(other), Deno.inspect(other));
});

Deno.test("mayHold() finds an object wherever it may be, and does not take another for it", () => {
  const part = { n: 1 };
  let deep: unknown = part;
  for (let depth = 0; depth < 10; depth++) deep = [{ deep }];
  const bare = Object.assign(Object.create(null), { part });
  const holders: object[] = [
    part,
    [1, [part]],
    { a: { b: part } },
    new Map([[1, part]]),
    new Map([[part, 1]]),
    new Set([[part]]),
    bare,
    deep as object,
  ];
  for (const holder of holders) assert(mayHold(holder, part), Deno.inspect(holder));
  const twin = { n: 1 };
  for (const other of [twin, [twin], new Map([[twin, twin]]), new Set([twin]), new Date()]) {
    assert(!mayHold(other, part), Deno.inspect(other));
  }
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assert(mayHold(cycle, part)); // it is not searched for ever
});
