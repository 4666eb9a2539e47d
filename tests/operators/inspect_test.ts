import { assertEquals, assertStrictEquals } from "@std/assert";
import { collect, failure } from "../support/runtime/collect.ts";

Deno.test("inspect sees each item once, and sends it on as it was", async () => {
  const item = { n: 1 };
  const seen: unknown[] = [];
  const out = await collect([item], (s) => s.inspect((each) => seen.push(each)));
  assertStrictEquals(out[0], item);
  assertEquals(seen, [item, item, item]); // one for each of the three runs
});

Deno.test("inspect does not mind what its function returns, but for a promise", async () => {
  assertEquals(await collect([1, 2], (s) => s.inspect(() => false)), [1, 2]);
  const { stepId, item, error } = await failure([1], (s) => s.inspect(() => Promise.resolve()));
  assertEquals([stepId, item], ["inspect-1", "1"]);
  assertEquals(error.startsWith("TypeError: the function of inspect returned a promise"), true);
});

Deno.test("inspect is named when its function throws", async () => {
  const { stepId, item, error } = await failure([1, 2], (s) =>
    s.inspect(function look(n) {
      if (n === 2) throw new Error("seen");
    }));
  assertEquals([stepId, item, error], ["look", "2", "Error: seen"]);
});
