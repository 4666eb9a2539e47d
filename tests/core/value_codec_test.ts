import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  BatchEncoder,
  decodeBatch,
  decodeValue,
  encodeValue,
  UnencodableError,
} from "../../src/core/value_codec.ts";
import { difference } from "../support/values/value_diff.ts";
import { cloned } from "../support/values/random_value.ts";

const again = <T>(value: T): T => decodeValue(encodeValue(value)) as T;

function batchOf(values: readonly unknown[]): Uint8Array {
  const encoder = new BatchEncoder();
  for (const value of values) encoder.write(value);
  return encoder.take();
}

function nested(depth: number): unknown {
  let value: unknown = "bottom";
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { value };
  return value;
}

const cycle: Record<string, unknown> = { name: "ring" };
cycle.self = [cycle, new Map([[cycle, new Set([cycle])]])];

const failure = new RangeError("too far", { cause: { at: [1] } });
const looped = new Error("looped");
looped.cause = looped;

const kept: readonly [name: string, value: unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["booleans", [true, false]],
  ["zeros", [0, -0]],
  ["small integers", [1, 127, 128, 255, 256, -1, -128, -129]],
  ["16-bit integers", [32767, 32768, -32768, -32769, 65535, 65536]],
  ["32-bit integers", [2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32]],
  ["doubles", [0.1, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE, NaN, Infinity, -Infinity]],
  ["bigints", [0n, -1n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n]],
  ["a large bigint", -(3n ** 10_000n)],
  ["strings of all short lengths", Array.from({ length: 200 }, (_, i) => "x".repeat(i))],
  ["non-ASCII strings", Array.from({ length: 80 }, (_, i) => "x".repeat(i) + "ÿ€😀𠮷\u{10ffff}")],
  ["a string that starts with a byte order mark", "\ufeffx" + "€".repeat(70)],
  ["a long string", "aÿ€😀".repeat(50_000)],
  ["lone surrogates", ["\ud800", "a\udc00b", "\udc00\ud800", "x".repeat(9000) + "\udfff"]],
  ["every 16-bit unit", String.fromCharCode(...Array(65536).keys())],
  ["dates", [new Date(0), new Date(1e12 + 1), new Date(NaN), new Date(-1)]],
  ["bytes", [new Uint8Array(0), new Uint8Array([1, 2]), new Uint8Array(10_000).fill(7)]],
  ["typed arrays", [
    new Int8Array([-1]),
    new Uint8ClampedArray([255]),
    new Int16Array([-2, 300]),
    new Uint16Array([65535]),
    new Int32Array([-70000]),
    new Uint32Array([2 ** 32 - 1]),
    new Float16Array([1.5]),
    new Float32Array([0.5]),
    new Float64Array([0.1, -0]),
    new BigInt64Array([-1n]),
    new BigUint64Array([2n ** 64n - 1n]),
    new DataView(new ArrayBuffer(3)),
    new ArrayBuffer(5),
  ]],
  ["nested plain values", { a: [{ b: { c: [] } }, {}], d: [[[1]], "x"] }],
  ["arrays of many lengths", Array.from({ length: 300 }, (_, i) => Array(i % 20).fill(i))],
  ["an array with holes", [, 1, , undefined, ,]], // deno-lint-ignore no-sparse-arrays
  ["a huge sparse array", Object.assign([], { [2 ** 32 - 2]: "last", 5: "first" })],
  ["a match", "2024-05".match(/(?<year>\d+)-(x)?/)],
  ["a Map", new Map<unknown, unknown>([["a", 1], [{ k: 1 }, new Map([[NaN, -0]])]])],
  ["a Set", new Set<unknown>(["a", 1, { k: new Set([1n]) }])],
  ["regular expressions", [/a/, /[/\\]\n+/giu, new RegExp("")]],
  ["boxed primitives", [Object(1), Object("a\ud800"), Object(false), Object(2n)]],
  ["an error with a cause", failure],
  ["an error whose cause is itself", looped],
  ["an error with an undefined cause", new Error("x", { cause: undefined })],
  ["an error without message", new Error()],
  ["a cycle", cycle],
  [
    "two equal objects in turns",
    Array.from({ length: 100 }, (_, i) => i % 2 ? { a: i } : { b: i }),
  ],
  ["objects of equal keys in other orders", [{ a: 1, b: 2 }, { b: 1, a: 2 }]],
  ["an object with keys like an array's", { 1: "b", 0: "a", length: 7 }],
  [
    "an object of many keys",
    Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i])),
  ],
  ["empty containers", [{}, [], new Map(), new Set(), ""]],
];

for (const [name, value] of kept) {
  Deno.test(`a value by itself and in a batch arrives: ${name}`, () => {
    const expected = cloned(value);
    assertEquals(difference(expected, again(value)), undefined);
    // A batch long enough for functions to be generated for its shapes.
    const values = Array(50).fill(value);
    const decoded = decodeBatch(batchOf(values));
    assertEquals(decoded.length, 50);
    for (const each of decoded) assertEquals(difference(expected, each), undefined);
  });
}

Deno.test("cycles lead back to the same object", () => {
  const value = again(cycle) as { self: [unknown, Map<unknown, Set<unknown>>] };
  assert(value.self[0] === value);
  assert(value.self[1].get(value)!.has(value));
});

Deno.test("values nested a hundred thousand deep arrive", () => {
  let value = again(nested(100_000)) as [unknown] | { value: unknown } | string;
  let depth = 0;
  for (; typeof value !== "string"; depth++) {
    value = (Array.isArray(value) ? value[0] : value.value) as typeof value;
  }
  assertEquals([depth, value], [100_000, "bottom"]);
});

Deno.test("an object used in several places at each of 40 levels does not grow without limit", () => {
  let value: unknown = { leaf: true };
  for (let i = 0; i < 40; i++) value = [value, value];
  const bytes = encodeValue(value);
  assert(bytes.length < 1000, `${bytes.length} bytes`);
  let decoded = decodeValue(bytes) as [unknown, unknown];
  for (let i = 0; i < 40; i++) {
    assert(decoded[0] === decoded[1]);
    decoded = decoded[0] as typeof decoded;
  }
  assertEquals(decoded, { leaf: true });
});

Deno.test("large binary data used in several places is written once", () => {
  const bytes = new Uint8Array(10 << 20);
  assert(encodeValue(Array(20).fill(bytes)).length < 11 << 20);
});

Deno.test("keys of Object.prototype are own properties and nothing else", () => {
  const text = `{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}, "toString": 3}`;
  const values = Array.from({ length: 100 }, () => JSON.parse(text));
  const check = () => {
    for (const value of [...decodeBatch(batchOf(values)), again(values[0])]) {
      assertEquals(difference(values[0], value), undefined);
    }
  };
  check();
  // Deno has no setter of this name, unless it is told to.
  let set = 0;
  Object.defineProperty(Object.prototype, "__proto__", { set: () => set++, configurable: true });
  try {
    check();
    again([, values[0]]); // deno-lint-ignore no-sparse-arrays
  } finally {
    Reflect.deleteProperty(Object.prototype, "__proto__");
  }
  assertEquals(set, 0);
  assertEquals("polluted" in {}, false);
});

Deno.test("an object without prototype has none afterwards, and its keys are its own", () => {
  const bare = (...entries: [string, unknown][]) => {
    const object = Object.create(null);
    for (const [key, value] of entries) object[key] = value;
    return object;
  };
  const cycle = bare(["b", 1], ["a", bare()]);
  cycle.self = [cycle];
  const values = [
    bare(),
    bare(["a", 1], ["__proto__", { polluted: 1 }], ["constructor", 2], ["toString", bare()]),
    [{ headers: bare(["h", [new Uint8Array([1])]]) }, { headers: bare() }],
    cycle,
  ];
  for (const value of values) assertEquals(difference(value, again(value)), undefined);
  const batch = Array.from({ length: 100 }, () => values).flat();
  for (const [i, value] of decodeBatch(batchOf(batch)).entries()) {
    assertEquals(difference(batch[i], value), undefined);
  }
});

Deno.test("Node's Buffer becomes a Uint8Array, and may hold the encoded bytes too", () => {
  const value = again([Buffer.from("abc")])[0];
  assertEquals(Object.getPrototypeOf(value), Uint8Array.prototype);
  assertEquals([...value], [97, 98, 99]);
  const encoded = Buffer.from(encodeValue(new Uint8Array(1000).fill(7)));
  const decoded = decodeValue(encoded) as Uint8Array;
  assertEquals(Object.getPrototypeOf(decoded), Uint8Array.prototype);
  encoded.fill(0);
  assertEquals(decoded, new Uint8Array(1000).fill(7));
});

Deno.test("binary data is copied, without the buffer that it is a view on", () => {
  const encoded = encodeValue([
    new Uint8Array(3000).subarray(10, 1010),
    new DataView(new ArrayBuffer(8), 2, 3),
  ]);
  const [array, view] = decodeValue(encoded) as [Uint8Array, DataView];
  assertEquals([array.length, array.buffer.byteLength], [1000, 1000]);
  assertEquals([view.byteLength, view.buffer.byteLength], [3, 3]);
});

Deno.test("short byte arrays share a small buffer, and no byte of it", () => {
  const lengths = Array.from({ length: 600 }, (_, i) => i);
  const encoded = batchOf(lengths.map((length) => new Uint8Array(length).fill(length)));
  const [decoded, others] = [decodeBatch(encoded), decodeBatch(encoded)] as Uint8Array[][];
  for (const array of others) array.fill(255);
  encoded.fill(255);
  for (const [length, array] of decoded.entries()) {
    assertEquals(array, new Uint8Array(length).fill(length));
    assert(array.buffer.byteLength <= 8192 && array.buffer !== encoded.buffer);
    assertEquals(array.byteOffset % 8, 0);
  }
});

Deno.test("bytes still arrive after the buffer of some was transferred", () => {
  const [array] = again([new Uint8Array([1])]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  assertEquals(again(new Uint8Array([1, 2])), new Uint8Array([1, 2]));
});

Deno.test("getters are evaluated, symbol keys and hidden properties left out", () => {
  const value = Object.defineProperty(
    {
      get a() {
        return 1;
      },
      [Symbol("s")]: 2,
    },
    "b",
    { value: 3 },
  ); // deno-fmt-ignore
  assertEquals(Object.getOwnPropertyDescriptors(again(value)), {
    a: { value: 1, writable: true, enumerable: true, configurable: true },
  } as unknown as ReturnType<typeof Object.getOwnPropertyDescriptors<typeof value>>);
});

Deno.test("what a getter throws comes out, and the encoder goes on", () => {
  const encoder = new BatchEncoder();
  encoder.write("before");
  const value = {
    fine: [{ x: 1 }],
    get broken(): never {
      throw new Error("mine");
    },
  }; // deno-fmt-ignore
  assertThrows(() => encoder.write(value), Error, "mine");
  encoder.write("after");
  assertEquals(decodeBatch(encoder.take()), ["before", "after"]);
});

Deno.test("a getter may encode values itself", () => {
  const value = {
    get inner() {
      return encodeValue({ inner: 1 });
    },
    after: 2,
  }; // deno-fmt-ignore
  const decoded = again(value);
  assertEquals([decodeValue(decoded.inner), decoded.after], [{ inner: 1 }, 2]);
});

Deno.test("a Map that a getter adds to while it is written stays readable", () => {
  const map = new Map<string, unknown>();
  map.set("a", {
    get x() {
      map.set(`b${map.size}`, 1);
      return 1;
    },
  }); // deno-fmt-ignore
  assertEquals((again(map).get("a") as { x: number }).x, 1);
});

class Order {
  total = 1;
}
class Stack extends Array {}
class Bytes extends Uint8Array {}
class Failure extends Error {}
class Table extends Map {}

const detached = new ArrayBuffer(8);
const detachedView = new Uint16Array(detached);
structuredClone(detached, { transfer: [detached] });

const refused: readonly [value: unknown, what: string, path: string][] = [
  [new Order(), "class instance Order", ""],
  [{ orders: [1, 2, 3, { total: () => 1 }] }, "function", ".orders[3].total"],
  [Symbol("s"), "symbol", ""],
  [[[Symbol("s")]], "symbol", "[0][0]"],
  [{ "a b": { ü: Promise.resolve() } }, "Promise", `["a b"].ü`],
  [new Map([["k", [new Order()]]]), "class instance Order", `.get("k")[0]`],
  [new Map([[7, new WeakMap()]]), "WeakMap", ".get(7)"],
  [new Map([["a", 1], [new Order(), 2] as never]), "class instance Order", ".keys()[1]"],
  [new Map([[{}, new Order()]]), "class instance Order", ".values()[0]"],
  [new Set([1, new Set([new Order()])]), "class instance Order", ".values()[1].values()[0]"],
  [new Error("x", { cause: { order: new Order() } }), "class instance Order", ".cause.order"],
  [{ list: Object.assign([, 1], { name: () => 1 }) }, "function", ".list.name"], // deno-lint-ignore no-sparse-arrays
  [[new WeakSet()], "WeakSet", "[0]"],
  [[new WeakRef({})], "WeakRef", "[0]"],
  [[new SharedArrayBuffer(1)], "SharedArrayBuffer", "[0]"],
  [[new Stack()], "class instance Stack", "[0]"],
  [[new Bytes(1)], "class instance Bytes", "[0]"],
  [[new Failure("x")], "class instance Failure", "[0]"],
  [[new Table()], "class instance Table", "[0]"],
  [[Object.create({ inherited: 1 })], "class instance Object", "[0]"],
  [[Object(Symbol("s"))], "Symbol", "[0]"],
  [[(function* () {})()], "class instance without a name", "[0]"],
  [[new URL("http://localhost")], "class instance URL", "[0]"],
  [[Object.create(Map.prototype)], "object with the prototype of Map", "[0]"],
  [[Object.create(Date.prototype)], "object with the prototype of Date", "[0]"],
  [{ detached }, "detached ArrayBuffer", ".detached"],
  [{ detachedView }, "detached Uint16Array", ".detachedView"],
  [[nested(200), class {}], "function", "[1]"],
  [Object.assign({ bad: new Order() }, cycle), "class instance Order", ".bad"],
];

for (const [value, what, path] of refused) {
  Deno.test(`refused: ${what} at ${path === "" ? "the top" : path}`, () => {
    const error = assertThrows(() => encodeValue(value), UnencodableError);
    assertEquals([error.what, error.path, error.name], [what, path, "UnencodableError"]);
    assertStringIncludes(
      error.message,
      `cannot encode ${what}${path === "" ? "" : ` at ${path}`}: `,
    );
    // Nothing of it stays in a batch.
    const encoder = new BatchEncoder();
    encoder.write({ a: 1 });
    const { bytes } = encoder;
    assertThrows(() => encoder.write([{ a: 2 }, { b: [{ c: 3 }] }, value]), UnencodableError);
    assertEquals([encoder.count, encoder.bytes], [1, bytes]);
    for (let i = 0; i < 40; i++) encoder.write({ b: i });
    encoder.write({ c: 3 });
    const decoded = decodeBatch(encoder.take());
    assertEquals(decoded, [{ a: 1 }, ...Array.from({ length: 40 }, (_, b) => ({ b })), { c: 3 }]);
  });
}

Deno.test("a Proxy whose traps throw makes the write fail, and nothing else", () => {
  const encoder = new BatchEncoder();
  encoder.write(1);
  const proxy = new Proxy({}, {
    ownKeys: () => {
      throw new Error("mine");
    },
  }); // deno-fmt-ignore
  assertThrows(() => encoder.write([proxy]), Error, "mine");
  assertEquals(decodeBatch(encoder.take()), [1]);
});

Deno.test("an encoder counts, and starts a new batch when one is taken", () => {
  const encoder = new BatchEncoder();
  assertEquals([encoder.count, encoder.bytes], [0, 0]);
  assertEquals(decodeBatch(encoder.take()), []);
  const batches: Uint8Array[] = [];
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 100; j++) encoder.write({ i, j });
    const { count, bytes } = encoder;
    const batch = encoder.take();
    assertEquals([count, bytes], [100, batch.length - 1]);
    assertEquals([encoder.count, encoder.bytes], [0, 0]);
    batches.push(batch);
  }
  // Later batches did not touch earlier ones, and each can be read by itself.
  for (const [i, batch] of batches.entries()) {
    assertEquals(decodeBatch(batch), Array.from({ length: 100 }, (_, j) => ({ i, j })));
  }
});

Deno.test("batches larger than the buffer that is kept arrive, and the next one too", () => {
  const encoder = new BatchEncoder();
  for (const length of [100_000, 3_000_000, 10]) {
    encoder.write({ bytes: new Uint8Array(length).fill(3), text: "ü".repeat(length) });
    const batch = encoder.take();
    assert(batch.buffer.byteLength < batch.length * 2 + 1, "a batch keeps little more than itself");
    const [{ bytes, text }] = decodeBatch(batch) as [{ bytes: Uint8Array; text: string }];
    assertEquals([bytes.length, text.length, bytes.at(-1), text.at(-1)], [length, length, 3, "ü"]);
  }
});

Deno.test("a small batch does not keep the buffer that a failed write made large", () => {
  const encoder = new BatchEncoder();
  encoder.write(1);
  assertThrows(() => encoder.write([new Uint8Array(3 << 20), () => {}]), UnencodableError);
  assertEquals(encoder.take().buffer.byteLength, 2);
});

Deno.test("equal objects have their keys written once a batch", () => {
  const one = batchOf([{ category: 1, position: 2 }]).length;
  const many = batchOf(Array.from({ length: 100 }, () => ({ category: 1, position: 2 }))).length;
  assertEquals(many, one + 99 * 3);
});

Deno.test("objects used as dictionaries arrive, and cost no more than their keys", () => {
  const values = Array.from({ length: 70_000 }, (_, i) => ({ [`key-${i}`]: i, [`and-${i}`]: i }));
  const encoder = new BatchEncoder();
  for (let round = 0; round < 2; round++) {
    for (const value of values) encoder.write(value);
    assert(encoder.bytes < values.length * 40, `${encoder.bytes} bytes`);
    const decoded = decodeBatch(encoder.take());
    assertEquals(decoded.length, values.length);
    for (let i = 0; i < values.length; i += 997) assertEquals(decoded[i], values[i]);
  }
});

Deno.test("objects of more shapes than a batch has, alternating", () => {
  const values = Array.from({ length: 3000 }, (_, i) => ({ id: i, [`key-${i % 300}`]: [i] }));
  assertEquals(decodeBatch(batchOf(values)), values);
});

Deno.test("bytes of another version, none, and too many are refused", () => {
  const refusal = (bytes: number[] | Uint8Array, decode = decodeValue) =>
    assertThrows(() => decode(new Uint8Array(bytes)), Error, "cannot decode bytes: ").message;
  assertStringIncludes(refusal([]), "there are none");
  assertStringIncludes(refusal([2, 1]), "version 2");
  assertStringIncludes(refusal([2, 1], decodeBatch), "version 2");
  assertStringIncludes(refusal([...encodeValue(1), 0]), "more bytes after the value");
  assertStringIncludes(refusal([1]), "end too early");
});

Deno.test("each value cut off anywhere is refused", () => {
  for (const [name, value] of kept) {
    const bytes = encodeValue(value);
    for (let end = 1; end < bytes.length; end += 1 + Math.floor(bytes.length / 300)) {
      assertThrows(() => decodeValue(bytes.subarray(0, end)), Error, "cannot decode", name);
    }
  }
});

Deno.test("no memory is taken for lengths that are only claimed", () => {
  const before = Deno.memoryUsage();
  // 2 ** 24 − 1 and 2 ** 28 − 1.
  for (const huge of [[0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0x7f]]) {
    for (let tag = 0xe0; tag <= 0xff; tag++) {
      // An array of 40 such claims; those of arrays with holes are valid whatever their length.
      const claims = Array.from({ length: 40 }, () => [tag, ...huge, 0]).flat();
      for (const bytes of [[1, 0xee, 40, ...claims], [1, 0xf6, tag - 0xe0, ...huge]]) {
        try {
          decodeValue(new Uint8Array(bytes));
        } catch (error) {
          assertStringIncludes((error as Error).message, "cannot decode bytes");
        }
      }
    }
  }
  const after = Deno.memoryUsage();
  assert(after.heapUsed + after.external - before.heapUsed - before.external < 100 << 20);
});

const corrupt: readonly [name: string, bytes: number[], message: string][] = [
  ["a key that is not a string", [0xf2, 1, 5, 5], "a key that is not a string"],
  ["an array's length as a property", [0xef, 1, 1, 0x86, ...bytesOf("length"), 5], "length among"],
  ["a shape that is not there", [0xd0], "no shape 0"],
  ["a reference to nothing", [0xfa, 0xfb, 0], "a reference to nothing"],
  ["a reference outside a graph", [0xfb, 0], "unknown tag 0xfb"],
  ["a short array in a graph", [0xfa, 0xc0], "unknown tag 0xc0"],
  ["an unknown tag", [0xff], "unknown tag 0xff"],
  ["an unknown kind of binary data", [0xf6, 99, 0], "unknown kind"],
  ["half an element", [0xf6, 4, 1, 0], "multiple of 2"],
  ["an unknown type of error", [0xf9, 99], "unknown type"],
  ["a regular expression that is none", [0xf7, 0x81, 0x28, 0x80], "regular expression"],
  ["a boxed object", [0xf8, 0xc0], "unknown tag 0xf8"],
  ["a varint without end", [0xeb, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "too long"],
];

for (const [name, bytes, message] of corrupt) {
  Deno.test(`corrupt bytes are refused: ${name}`, () => {
    const error = assertThrows(() => decodeValue(new Uint8Array([1, ...bytes])), Error, message);
    assert((error as Error).message.startsWith("cannot decode bytes: "));
  });
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("bytes that claim endless nesting are refused", () => {
  const nesting = new Uint8Array(1 << 20).fill(0xc1);
  nesting[0] = 1;
  assertThrows(() => decodeValue(nesting), Error, "cannot decode bytes");
});

Deno.test("the bytes are those of the format's description", () => {
  const hex = (value: unknown) => encodeValue(value).toHex();
  assertEquals(hex(5), "0105");
  assertEquals(hex(-1), "01e5ff");
  assertEquals(hex(300), "01e62c01");
  assertEquals(hex(-70000), "01e790eefeff");
  assertEquals(hex(0.5), "01e8000000000000e03f");
  assertEquals(hex(-1n), "01e9ffffffffffffffff");
  assertEquals(hex(-(2n ** 64n)), "01ea13000000000000000001");
  assertEquals(hex("ab"), "01826162");
  assertEquals(hex("ü"), "01eb02c3bc");
  assertEquals(hex("\ud800"), "01ec0100d8");
  assertEquals(hex([null, undefined, true, false]), "01c4e1e0e3e2");
  assertEquals(hex([{ a: 1 }, { a: 2 }]), "01c2f101816101d002");
  assertEquals(hex(new Uint8Array([1, 2])), "01ed020102");
  assertEquals(hex(new Map([["a", new Set([1])]])), "01f3018161f40101");
  assertEquals(hex(new Uint16Array([258])), "01f605020201");
  assertEquals(hex(new Date(0)), "01f50000000000000000");
  assertEquals(hex(/a/g), "01f781618167");
  assertEquals(hex(Object(1)), "01f801");
  assertEquals(hex([, 1]), "01faef0201813101"); // deno-lint-ignore no-sparse-arrays
  const loop: unknown[] = [];
  loop.push(loop);
  assertEquals(hex(loop), "01faee01fb00");
  const error = new TypeError("no");
  error.stack = "s";
  assertEquals(hex(error), "01f905826e6f8173e4");
});

/** Few bytes that stand for much: an array of 200,000 such values. */
const BOMBS: Record<string, number[]> = {
  "ones": [1],
  "empty arrays": [0xc0],
  "empty Maps": [0xf3, 0],
  "empty Sets": [0xf4, 0],
  "empty objects": [0xf2, 0],
  "objects without prototype": [0xfc, 0],
  "dates": [0xf5, 0, 0, 0, 0, 0, 0, 0, 0],
  "long numbers": [0xe8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
};

for (const [name, bytes] of Object.entries(BOMBS)) {
  for (const head of [[], [0xfa]]) {
    Deno.test(`a value of ${name} is refused before it takes more memory than is allowed${head.length > 0 ? ", as a graph" : ""}`, () => {
      const count = 200_000;
      const length = [count & 0x7f | 0x80, count >> 7 & 0x7f | 0x80, count >> 14];
      // In a graph, the contents of a container come after the value.
      const each = head.length > 0 && bytes.length === 2 ? bytes.slice(0, 1) : bytes;
      const encoded = Uint8Array.from([
        1,
        ...head,
        0xee,
        ...length,
        ...Array(count).fill(each).flat(),
      ]);
      const error = assertThrows(() => decodeValue(encoded, 1 << 20), Error);
      assertStringIncludes(error.message, "more memory than is allowed");
    });
  }
}

Deno.test("an estimate of memory is at least a value's size, and not much more", () => {
  const positions = Array.from({ length: 1000 }, (_, i) => ({
    step: "in",
    role: "input",
    partition: `topic/${i}`,
    state: new Uint8Array(30),
  }));
  const bytes = encodeValue(positions);
  assertEquals(decodeValue(bytes, 1000 * 500), positions);
  assertThrows(() => decodeValue(bytes, 1000 * 100));
});

Deno.test("shapes that no writer makes are refused, which would fill the reader's table", () => {
  const keys = Array.from({ length: 49 }, (_, i) => [0x82, 0x61, 0x61 + i % 26]).flat();
  const refusal = (bytes: number[]) =>
    assertThrows(() => decodeValue(Uint8Array.from(bytes))).message;
  assertStringIncludes(refusal([1, 0xf1, 49, ...keys, ...Array(49).fill(0)]), "a shape of 49 keys");
  const shapes = Array.from({ length: 257 }, () => [0xf1, 0]).flat();
  assertStringIncludes(refusal([1, 0xee, 0x81, 0x02, ...shapes]), "after 256 others");
});
