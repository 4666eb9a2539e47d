import { assertEquals, assertThrows } from "@std/assert";
import { compareNaturally } from "../../src/operators/compare.ts";

Deno.test("compareNaturally() orders numbers, bigints, strings, booleans and dates", () => {
  const ordered: unknown[][] = [
    [-Infinity, -1, 0, 0.5, 7, Infinity],
    [-1n, 0n, 2n ** 70n],
    ["", "B", "a", "aa", "ä", "\ud83d"],
    [false, true],
    [new Date(-1), new Date(0), new Date(1)],
  ];
  for (const values of ordered) {
    values.forEach((a, i) =>
      values.forEach((b, j) => assertEquals(compareNaturally(a, b), Math.sign(i - j)))
    );
  }
});

Deno.test("compareNaturally() treats 0 and -0, and equal dates, as equal", () => {
  assertEquals(compareNaturally(0, -0), 0);
  assertEquals(compareNaturally(new Date(5), new Date(5)), 0);
});

Deno.test("compareNaturally() refuses what has no order, and shows both", () => {
  const refused: [unknown, unknown, string][] = [
    [{ a: 1 }, { a: 2 }, "{ a: 1 } and { a: 2 }"],
    [1, "1", `1 and "1"`],
    [1, 1n, "1 and 1n"],
    [NaN, 1, "NaN and 1"],
    [NaN, NaN, "NaN and NaN"],
    [new Date(NaN), new Date(0), "Invalid Date and 1970-01-01T00:00:00.000Z"],
    [null, null, "null and null"],
    [undefined, undefined, "undefined and undefined"],
    [[1], [2], "[ 1 ] and [ 2 ]"],
  ];
  for (const [a, b, shown] of refused) {
    assertThrows(
      () => compareNaturally(a, b),
      TypeError,
      `${shown} have no natural order: give a compare function`,
    );
  }
});
