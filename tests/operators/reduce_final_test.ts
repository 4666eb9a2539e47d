import { assertEquals } from "@std/assert";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("reduceFinal emits one result a key when the input ends, in the order of the keys", async () => {
  const out = await collect(
    pairs(["b", 1], ["a", 5], ["b", 2], ["b", 3]),
    (s) => s.reduceFinal("list", (acc, n) => acc * 10 + n),
  );
  assertEquals(out, [["b", 123], ["a", 5]]);
});

Deno.test("reduceFinal emits nothing before the input has ended", async () => {
  const order: string[] = [];
  await collect(
    pairs(["a", 1], ["a", 2]),
    (s) =>
      s.inspect(() => order.push("in")).reduceFinal("sum", (a, b) => a + b).inspect(() =>
        order.push("out")
      ),
  );
  assertEquals(order.slice(-1), ["out"]);
  assertEquals(order.filter((which) => which === "out").length, 3); // one for each of three runs
});

Deno.test("reduceFinal emits nothing when there was nothing, and undefined when that was it", async () => {
  assertEquals(await collect(pairs<number>(), (s) => s.reduceFinal("sum", (a, b) => a + b)), []);
  assertEquals(
    await collect(pairs<undefined>(["a", undefined]), (s) => s.reduceFinal("one", (a) => a)),
    [["a", undefined]],
  );
});

Deno.test("reduceFinal points to mapAsync when the reducer returns a promise", async () => {
  const { stepId, item, error } = await failure(
    pairs(["a", 7], ["a", 8]),
    (s) => s.reduceFinal("sum", mistaken(async () => await Promise.resolve(1))),
  );
  assertEquals([stepId, item], ["sum", `[ "a", 8 ]`]);
  assertEquals(error.startsWith("TypeError: the reducer returned a promise"), true);
});
