import { assertEquals, assertStrictEquals } from "@std/assert";
import type { Compare } from "../../mod.ts";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("maxFinal and minFinal give the largest and smallest value of each key", async () => {
  const items = pairs(["a", 3], ["b", -1], ["a", 11], ["a", 2], ["b", -5]);
  assertEquals(await collect(items, (s) => s.maxFinal("max")), [["a", 11], ["b", -1]]);
  assertEquals(await collect(items, (s) => s.minFinal("min")), [["a", 2], ["b", -5]]);
});

Deno.test("maxFinal and minFinal use the compare function that they are given", async () => {
  const items = pairs(["a", "ccc"], ["a", "a"], ["a", "bb"]);
  const byLength: Compare<string> = (a, b) => a.length - b.length;
  assertEquals(await collect(items, (s) => s.maxFinal("max", byLength)), [["a", "ccc"]]);
  assertEquals(await collect(items, (s) => s.minFinal("min", byLength)), [["a", "a"]]);
});

Deno.test("maxFinal and minFinal give the first of equals", async () => {
  const [first, second] = [{ n: 1, first: true }, { n: 1, first: false }];
  const byN: Compare<{ n: number }> = (a, b) => a.n - b.n;
  const [[, max]] = await collect(
    pairs(["a", first], ["a", second]),
    (s) => s.maxFinal("max", byN),
  );
  const [[, min]] = await collect(
    pairs(["a", first], ["a", second]),
    (s) => s.minFinal("min", byN),
  );
  assertStrictEquals(max, first);
  assertStrictEquals(min, first);
});

Deno.test("maxFinal and minFinal need a compare function when values are objects", async () => {
  const items = pairs(["a", { n: 1 }], ["a", { n: 2 }]);
  for (const step of ["maxFinal", "minFinal"] as const) {
    const { stepId, item, error } = await failure(items, (s) => s[step]("extreme"));
    assertEquals([stepId, item], ["extreme", `[ "a", { n: 2 } ]`]);
    assertEquals(
      error,
      "TypeError: { n: 2 } and { n: 1 } have no natural order: give a compare function",
    );
  }
});

Deno.test("maxFinal and minFinal refuse a compare that does not return a number, such as a > b or a promise", async () => {
  const items = pairs(["a", 1], ["a", 2]);
  const mistakes = [
    mistaken<Compare<number>>((a: number, b: number) => a > b),
    mistaken<Compare<number>>((a: number, b: number) => Promise.resolve(a - b)),
    (): number => NaN,
  ];
  for (const compare of mistakes) {
    for (const step of ["maxFinal", "minFinal"] as const) {
      const { stepId, item, error } = await failure(items, (s) => s[step]("extreme", compare));
      assertEquals([stepId, item], ["extreme", `[ "a", 2 ]`]);
      assertEquals(error.startsWith("TypeError: "), true);
    }
  }
});
