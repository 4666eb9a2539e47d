import { assertEquals } from "@std/assert";
import { isPromiseLike } from "../../src/core/promises.ts";
import { chainChecks, chainSnippets, isKeyed } from "../../src/graph/chain_checks.ts";

const values: readonly unknown[] = [
  undefined,
  null,
  0,
  "",
  "ab",
  [],
  new Set(["a"]),
  new Map(),
  { [Symbol.iterator]: 1 },
  ["a"],
  ["a", 1],
  ["a", 1, 2],
  ["a", undefined],
  [7, 1],
  [undefined, 1],
  [new String("a"), 1],
  { 0: "a", 1: 2, length: 2 },
  {},
  { then: 1 },
  { then: () => {} },
  Promise.resolve(),
];

/** Runs a statement on a value. Returns the message of its error, or `null`. */
function run(statement: (variable: string) => string, value: unknown): string | null {
  const check = new Function("checks", "x", `"use strict"; ${statement("x")}`);
  try {
    check(chainChecks, value);
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

Deno.test("the snippet requireKeyed agrees with isKeyed() on any value", () => {
  for (const value of values) {
    assertEquals(
      run((x) => chainSnippets.requireKeyed(x, "mapValue"), value),
      isKeyed(value) ? null : chainChecks.notKeyed("mapValue", value).message,
    );
  }
});

Deno.test("the snippet refusePromise agrees with isPromiseLike() on any value", () => {
  for (const value of values) {
    assertEquals(
      run((x) => chainSnippets.refusePromise(x, "map"), value),
      isPromiseLike(value) ? chainChecks.gavePromise("map").message : null,
    );
  }
});

Deno.test("the snippet requireIterable accepts iterable objects, and refuses strings", () => {
  for (const value of values) {
    const isIterable = Array.isArray(value) || value instanceof Set || value instanceof Map ||
      value instanceof String;
    assertEquals(
      run((x) => chainSnippets.requireIterable(x, "flatMap"), value),
      isIterable ? null : chainChecks.notIterable("flatMap", value).message,
    );
  }
});
