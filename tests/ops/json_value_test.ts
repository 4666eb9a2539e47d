import { assert, assertEquals } from "@std/assert";
import { jsonValue } from "../../src/ops/json_value.ts";

Deno.test("values that are more than JSON has are shown as JSON", () => {
  const value = {
    text: "a",
    none: null,
    nothing: undefined,
    big: 2n ** 64n,
    odd: [NaN, Infinity, -0.5],
    at: new Date(0),
    no: new Date(NaN),
    map: new Map<unknown, unknown>([["a", 1n], [{ b: 2 }, new Set([3])]]),
    bytes: new Uint8Array([1, 2]),
    buffer: new Uint8Array([3]).buffer,
    failure: new TypeError("bad"),
    pattern: /a/g,
  };
  assertEquals(jsonValue(value), {
    text: "a",
    none: null,
    nothing: null,
    big: "18446744073709551616",
    odd: ["NaN", "Infinity", -0.5],
    at: "1970-01-01T00:00:00.000Z",
    no: null,
    map: [["a", "1"], [{ b: 2 }, [3]]],
    bytes: [1, 2],
    buffer: [3],
    failure: "TypeError: bad",
    pattern: "/a/g",
  });
});

Deno.test("an object within itself is left out", () => {
  const value: Record<string, unknown> = { a: 1 };
  value.self = value;
  value.list = [value, { value }];
  assertEquals(jsonValue(value), { a: 1, self: "…", list: ["…", { value: "…" }] });
});

Deno.test("what is too deep is left out", () => {
  let value: unknown = "deepest";
  for (let i = 0; i < 20; i++) value = [value];
  const text = JSON.stringify(jsonValue(value));
  assertEquals(text, `${"[".repeat(17)}"…"${"]".repeat(17)}`);
});

Deno.test("an object in several places is shown in each, unless that never ends", () => {
  const shared = { a: 1 };
  assertEquals(jsonValue([shared, shared, [shared]]), [{ a: 1 }, { a: 1 }, [{ a: 1 }]]);

  const nodes = Array.from({ length: 40 }, (_, id) => ({ id, to: [] as unknown[] }));
  for (const node of nodes) node.to = nodes.filter((other) => other !== node);
  assert(JSON.stringify(jsonValue(nodes)).length < 1_000_000);

  let wide: unknown = Array.from({ length: 9_000 }, () => 0);
  for (let i = 0; i < 12; i++) wide = Array.from({ length: 9 }, () => wide);
  assert(JSON.stringify(jsonValue(wide)).length < 1_000_000);
});

Deno.test("an array that is long because of its holes is shown as an object", () => {
  const byId: unknown[] = [];
  byId[4_000_000_000] = "eve";
  assertEquals(jsonValue({ byId }), { byId: { 4000000000: "eve" } });
  const short: unknown[] = [];
  short[2] = 1;
  assertEquals(JSON.stringify(jsonValue(short)), "[null,null,1]");
});
