import { Buffer } from "node:buffer";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { preview, toLine } from "../../src/core/preview.ts";

const circular: Record<string, unknown> = { name: "ring" };
circular.self = circular;

const throwing = {
  get secret(): never {
    throw new Error("not for you");
  },
};

const customInspect = {
  [Symbol.for("Deno.customInspect")](): never {
    throw new Error("not for you");
  },
};

const everyTrap = new Proxy({}, {
  get(): never {
    throw new Error("get");
  },
  ownKeys(): never {
    throw new Error("ownKeys");
  },
  getPrototypeOf(): never {
    throw new Error("getPrototypeOf");
  },
});

const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
})();

const throwingToJson = {
  toJSON(): never {
    throw new Error("not as JSON");
  },
};

const deep = Array.from({ length: 20_000 }).reduce<unknown>((inner) => [inner], "bottom");

/** Whatever an item may be. */
const values: [name: string, value: unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a boolean", false],
  ["a number", 1.5],
  ["not a number", NaN],
  ["a bigint", 12n],
  ["a string of several lines", "a\nb"],
  ["a symbol", Symbol("tag")],
  ["a function", function f() {
    return [1, 2].map((n) => n + 1);
  }],
  ["a class", class C {}],
  ["a Map", new Map([[{ k: 1 }, new Set([1n])]])],
  ["a Set", new Set([1, "two"])],
  ["bytes", new Uint8Array([1, 2, 255])],
  ["an empty object without prototype", Object.create(null)],
  ["an invalid date", new Date(NaN)],
  ["a date", new Date(0)],
  ["an error", new Error("broken")],
  ["a cycle", circular],
  ["a getter that throws", throwing],
  ["an inspector that throws", customInspect],
  ["a proxy whose traps throw", everyTrap],
  ["a revoked proxy", revoked],
  ["a toJSON that throws", throwingToJson],
  ["an array with holes", [, 1, , 2]], // deno-lint-ignore no-sparse-arrays
  ["something nested deeply", deep],
  ["something long", Array.from({ length: 10_000 }, (_, i) => ({ i }))],
  ["a promise", Promise.resolve(1)],
  ["a WeakMap", new WeakMap()],
  ["a regular expression", /a b/],
  ["a URL", new URL("https://example.org/")],
];

for (const [name, value] of values) {
  Deno.test(`preview() gives one line of at most 200 characters when it is given ${name}`, () => {
    const shown = preview(value);
    assertEquals(typeof shown, "string");
    assert(shown.length > 0 && shown.length <= 200, `${shown.length} characters`);
    assert(!shown.includes("\n"), shown);
  });

  Deno.test(`toLine() gives text and does not throw when it is given ${name}`, () => {
    const line = toLine(value);
    assertEquals(typeof line, "string");
    // A string is printed as it is; everything else is a line of its own.
    if (typeof value !== "string") assert(!line.includes("\n"), line);
  });
}

Deno.test("preview() shows values as they would be written", () => {
  assertEquals(preview("a\nb"), `"a\\nb"`);
  assertEquals(
    preview(["user-17", { id: 9921, amount: null }]),
    `[ "user-17", { id: 9921, amount: null } ]`,
  );
  assertEquals(preview(undefined), "undefined");
  assertEquals(preview(12n), "12n");
  assertEquals(preview(Symbol("tag")), "Symbol(tag)");
  assertEquals(preview(new Map([["a", 1]])), `Map(1) { "a" => 1 }`);
});

Deno.test("preview() ends in an ellipsis when it is cut", () => {
  const shown = preview(Array.from({ length: 16 }, () => "a long text of its own"));
  assertEquals(shown.length, 200);
  assert(shown.endsWith("…"));
});

Deno.test("preview() names the kind of a value that cannot be shown", () => {
  assertEquals(preview(customInspect), "[object that cannot be shown]");
});

Deno.test("toLine() leaves strings as they are", () => {
  assertEquals(toLine(""), "");
  assertEquals(toLine(`"quoted" ünïcode`), `"quoted" ünïcode`);
});

Deno.test("toLine() returns JSON for values that JSON can express", () => {
  for (const value of [null, true, 1.5, [1, "a", null], { a: { b: [] } }, new Date(0)]) {
    assertEquals(toLine(value), JSON.stringify(value));
  }
});

Deno.test("toLine() writes out values that JSON cannot express", () => {
  assertEquals(toLine(undefined), "undefined");
  assertEquals(toLine(Symbol("tag")), "Symbol(tag)");
  assertEquals(toLine(2n ** 70n), "1180591620717411303424");
  assertEquals(toLine({ id: 12n }), `{"id":12}`);
  assertEquals(
    toLine(new Map<unknown, unknown>([["a", 1], [2, { b: 3n }]])),
    `[["a",1],[2,{"b":3}]]`,
  );
  assertEquals(toLine(new Set([1, "two"])), `[1,"two"]`);
  assertEquals(toLine(new Uint8Array([1, 2, 255])), `"AQL/"`);
  assertEquals(
    toLine({ key: new Uint8Array([1]), at: new Date(0) }),
    `{"key":"AQ==","at":"1970-01-01T00:00:00.000Z"}`,
  );
  assertEquals(toLine(new TypeError("broken")), `"TypeError: broken"`);
  assertEquals(toLine(circular), `{"name":"ring","self":"[Circular]"}`);
});

Deno.test("toLine() shows an object twice when it stands beside itself and not inside", () => {
  const shared = { n: 1n };
  assertEquals(toLine([shared, shared]), `[{"n":1},{"n":1}]`);
});

Deno.test("toLine() writes dates as null when they are invalid, beside a bigint too", () => {
  assertEquals(toLine(new Date(NaN)), "null");
  assertEquals(toLine([new Date(NaN), 1n]), "[null,1]");
});

Deno.test("toLine() uses an object's toJSON, beside a bigint too", () => {
  const at = Temporal.Instant.from("2024-01-01T00:00:00Z");
  assertEquals(toLine({ at }), `{"at":"2024-01-01T00:00:00Z"}`);
  assertEquals(toLine({ at, n: 1n }), `{"at":"2024-01-01T00:00:00Z","n":1}`);
  assertEquals(toLine([new URL("https://example.org/"), 1n]), `["https://example.org/",1]`);
});

Deno.test("toLine() writes Node's buffers as base64 like other bytes", () => {
  assertEquals(toLine(Buffer.from([1, 2, 255])), `"AQL/"`);
  assertEquals(toLine([Buffer.from([1]), 1n]), `["AQ==",1]`);
});

Deno.test("toLine() keeps a key called __proto__", () => {
  const value = JSON.parse(`{"__proto__": 1}`);
  assertEquals(toLine({ ...value, n: 1n }), `{"__proto__":1,"n":1}`);
});

Deno.test("toLine() falls back on a preview when an object cannot be read", () => {
  assertStringIncludes(toLine(throwing), "secret");
});

Deno.test("preview() shows bytes as text, and as digits if they are not text", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(preview([null, bytes('{"a":1}')]), `[ null, bytes "{\\"a\\":1}" ]`);
  assertEquals(preview({ key: bytes("grüße") }), `{ key: bytes "grüße" }`);
  assertEquals(preview(new Uint8Array([0, 255])), "bytes 0x00ff");
  assertEquals(preview(new Uint8Array([0])), "bytes 0x00");
  assertEquals(preview(bytes("")), `bytes ""`);
  // A long text is cut, not in the middle of a character.
  assertEquals(preview(bytes("ü".repeat(100))), `bytes "${"ü".repeat(30)}" … (200 bytes)`);
  assertEquals(preview(bytes("x" + "ü".repeat(100))), `bytes "x${"ü".repeat(29)}" … (201 bytes)`);
});
