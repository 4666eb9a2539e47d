import { assertEquals } from "@std/assert";
import { collect, pairs } from "../support/runtime/collect.ts";

Deno.test("countFinal counts the values of each key, whatever they are", async () => {
  const items = pairs<unknown>(["a", undefined], ["b", null], ["a", 0], ["a", "x"]);
  assertEquals(await collect(items, (s) => s.countFinal("count")), [["a", 3], ["b", 1]]);
});

Deno.test("countFinal counts words of any spelling, like constructor and __proto__", async () => {
  const words = ["constructor", "__proto__", "constructor", "toString", "__proto__"];
  assertEquals(
    await collect(words, (s) => s.keyOn((word) => word).countFinal("count")),
    [["constructor", 2], ["__proto__", 2], ["toString", 1]],
  );
});
