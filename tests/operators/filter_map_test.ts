import { assertEquals } from "@std/assert";
import { collect, failure } from "../support/runtime/collect.ts";

Deno.test("filterMap sends results on, and drops null and undefined alone", async () => {
  const gives = [0, null, "", undefined, false, NaN];
  assertEquals(await collect([0, 1, 2, 3, 4, 5], (s) => s.filterMap((n) => gives[n])), [
    0,
    "",
    false,
    NaN,
  ]);
});

Deno.test("filterMap points to mapAsync when its function returns a promise", async () => {
  const { stepId, item, error } = await failure([1], (s) => s.filterMap((n) => Promise.resolve(n)));
  assertEquals([stepId, item], ["filterMap-1", "1"]);
  assertEquals(error.startsWith("TypeError: the function of filterMap returned a promise"), true);
});
