import { assertEquals } from "@std/assert";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("flatMapValue makes a pair of the key and each of the values, in order", async () => {
  assertEquals(
    await collect(
      pairs(["a", 2], ["b", 0], ["c", 1]),
      (s) => s.flatMapValue((n) => new Array(n).fill(n)),
    ),
    [["a", 2], ["a", 2], ["c", 1]],
  );
});

Deno.test("flatMapValue is named when its generator throws half-way", async () => {
  const { stepId, item, error } = await failure(
    pairs(["a", 1]),
    (s) =>
      s.flatMapValue(function* parts(n) {
        yield n;
        throw new Error("half-way");
      }).map(function after(pair) {
        return pair;
      }),
  );
  assertEquals([stepId, item, error], ["parts", `[ "a", 1 ]`, "Error: half-way"]);
});

Deno.test("flatMapValue refuses a string, what cannot be iterated, and a promise", async () => {
  const errorFor = async (given: unknown) =>
    (await failure(pairs(["a", 1]), (s) => s.flatMapValue(mistaken(() => given)))).error;
  const must = "TypeError: the function of flatMapValue must return an iterable; got ";
  assertEquals(
    (await errorFor("text")).startsWith(`${must}"text": a string would fall apart`),
    true,
  );
  assertEquals((await errorFor(5)).startsWith(`${must}5: return an array`), true);
  assertEquals(
    (await errorFor(Promise.resolve([]))).startsWith(
      "TypeError: the function of flatMapValue returned a promise",
    ),
    true,
  );
});
