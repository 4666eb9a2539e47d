import { assertEquals } from "@std/assert";
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
  });
});

Deno.test("a value that holds itself is shown to a depth", () => {
  const value: Record<string, unknown> = {};
  value.self = value;
  assertEquals(JSON.stringify(jsonValue(value)).match(/self/g)?.length, 17);
});
