import { assertEquals } from "@std/assert";
import { collect, failure, mistaken } from "../support/runtime/collect.ts";

Deno.test("filter keeps the items for which the predicate holds, in order", async () => {
  assertEquals(await collect([1, 2, 3, 4, 5], (s) => s.filter((n) => n % 2 === 1)), [1, 3, 5]);
});

Deno.test("filter refuses anything but true and false, and shows it", async () => {
  for (
    const [given, shown] of [[1, "1"], [0, "0"], ["", `""`], [undefined, "undefined"], [
      null,
      "null",
    ]]
  ) {
    const { stepId, item, error } = await failure(["x"], (s) => s.filter(mistaken(() => given)));
    assertEquals([stepId, item], ["filter-1", `"x"`]);
    assertEquals(
      error,
      `TypeError: the predicate of filter must return true or false; got ${shown} ` +
        `(write Boolean(…) or !! where truthiness is meant)`,
    );
  }
});

Deno.test("filter points to mapAsync when its predicate returns a promise", async () => {
  const { stepId, error } = await failure(
    [1],
    (s) => s.filter(mistaken(() => Promise.resolve(true))),
  );
  assertEquals(stepId, "filter-1");
  assertEquals(error.startsWith("TypeError: the function of filter returned a promise"), true);
});
