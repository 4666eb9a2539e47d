import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromExactJson, InexactError, toExactJson } from "../../src/core/exact_json.ts";
import { difference } from "../support/values/value_diff.ts";
import { Random } from "../support/values/random.ts";
import { randomValue } from "../support/values/random_value.ts";

const FORMS: readonly (readonly [value: unknown, json: string])[] = [
  ["a", `"a"`],
  ["\ud800", String.raw`"\ud800"`],
  [true, "true"],
  [null, "null"],
  [1.5, "1.5"],
  [[1, [2]], "[1,[2]]"],
  [{ a: 1 }, `{"a":1}`],
  [undefined, `{"$undefined":true}`],
  [-0, `{"$number":"-0"}`],
  [NaN, `{"$number":"NaN"}`],
  [-Infinity, `{"$number":"-Infinity"}`],
  [12n, `{"$bigint":"12"}`],
  [-(2n ** 80n), `{"$bigint":"-1208925819614629174706176"}`],
  [new Date(0), `{"$date":"1970-01-01T00:00:00.000Z"}`],
  [new Date(NaN), `{"$date":null}`],
  [new Map<unknown, unknown>([["a", 1n]]), `{"$map":[["a",{"$bigint":"1"}]]}`],
  [new Set([1, "b"]), `{"$set":[1,"b"]}`],
  [new Uint8Array([1, 255]), `{"$bytes":"Af8="}`],
  [{ $map: 1, b: 2 }, `{"$object":[["$map",1],["b",2]]}`],
  [JSON.parse(`{"__proto__":1}`), `{"__proto__":1}`],
];

Deno.test("exact JSON has a form for each value, and reads it back", () => {
  for (const [value, json] of FORMS) {
    const text = JSON.stringify(toExactJson(value));
    assertEquals(text, json);
    assertEquals(difference(fromExactJson(JSON.parse(text)), value), undefined, json);
  }
});

Deno.test("exact JSON reads back any value, or refuses it", () => {
  const random = new Random(18);
  let written = 0;
  for (let i = 0; i < 5_000; i++) {
    const value = randomValue(random);
    let json: string;
    try {
      json = JSON.stringify(toExactJson(value));
    } catch (error) {
      assert(error instanceof InexactError, String(error));
      continue;
    }
    written++;
    assertEquals(difference(fromExactJson(JSON.parse(json)), value), undefined, json);
  }
  assert(written > 1_000, `only ${written}`);
});

Deno.test("exact JSON refuses what it has no form for", () => {
  class Own {}
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const shared: unknown[] = [[1]];
  shared.push({ a: shared[0] });
  // deno-lint-ignore no-sparse-arrays
  const values = [
    shared,
    new Own(),
    /a/,
    new Error("a"),
    [1, , 2],
    cycle,
    Object.create(null),
    () => {},
  ];
  for (const value of values) assertThrows(() => toExactJson(value), InexactError);
});

Deno.test("exact JSON names a part that stands for no value", () => {
  for (
    const text of [
      `{"$undefined":1}`,
      `{"$number":"1"}`,
      `{"$bigint":"1.5"}`,
      `{"$bigint":1}`,
      `{"$date":"yesterday"}`,
      `{"$date":5}`,
      `{"$map":[["a"]]}`,
      `{"$map":{}}`,
      `{"$set":1}`,
      `{"$bytes":"*"}`,
      `{"$object":[[1,2]]}`,
      `{"$other":1}`,
      `{"$toString":1}`,
      `{"$set":[],"b":1}`,
    ]
  ) {
    const nested = JSON.parse(`{"a":[${text}]}`);
    assertThrows(() => fromExactJson(nested), TypeError, `${text} stands for no value`);
  }
});
