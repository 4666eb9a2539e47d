import { assertEquals } from "@std/assert";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("statefulFlatMap emits any number of outputs for each value, in order", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 5], ["a", 0], ["a", 2]),
    (s) => s.statefulFlatMap("seen", () => 0, (total, n) => [total + n, new Array(n).fill(total)]),
  );
  assertEquals(out, [["a", 0], ...new Array(5).fill(["b", 0]), ["a", 1], ["a", 1]]);
});

Deno.test("statefulFlatMap accepts a generator as the outs", async () => {
  const out = await collect(
    pairs(["a", 2]),
    (s) =>
      s.statefulFlatMap("seen", () => "x", (state, n) => [
        state,
        (function* () {
          for (let i = 0; i < n; i++) yield `${state}${i}`;
        })(),
      ]),
  );
  assertEquals(out, [["a", "x0"], ["a", "x1"]]);
});

Deno.test("statefulFlatMap forgets a key when its state becomes null, and emits first", async () => {
  const out = await collect(
    pairs(["a", 1], ["a", 0], ["a", 2]),
    (s) =>
      s.statefulFlatMap("sum", () => 0, (sum, n) => n === 0 ? [null, [sum, "end"]] : [sum + n, []]),
  );
  assertEquals(out, [["a", 1], ["a", "end"]]);
});

Deno.test("statefulFlatMap refuses a mapper that does not return a pair, or outs that cannot be iterated", async () => {
  const errorFor = async (given: unknown) => {
    const { stepId, item, error } = await failure(
      pairs(["a", 7]),
      (s) => s.statefulFlatMap("sum", () => 0, mistaken(() => given)),
    );
    assertEquals([stepId, item], ["sum", `[ "a", 7 ]`]);
    return error;
  };
  const mapper = "TypeError: statefulFlatMap's mapper must return";
  assertEquals(await errorFor([1]), `${mapper} a pair [state, outs]; got [ 1 ]`);
  assertEquals(
    await errorFor([1, "text"]),
    `${mapper} its outs as an iterable other than a string; got "text"`,
  );
  assertEquals(
    await errorFor([1, undefined]),
    `${mapper} its outs as an iterable other than a string; got undefined`,
  );
  const why = "but stateful steps are synchronous: await in a mapAsync before this step";
  for (const given of [Promise.resolve([1, []]), [1, Promise.resolve([])]]) {
    assertEquals(
      await errorFor(given),
      `TypeError: statefulFlatMap's mapper returned a promise, ${why}`,
    );
  }
});

Deno.test("statefulFlatMap is named when its generator throws half-way", async () => {
  const { stepId, item, error } = await failure(
    pairs(["a", 1]),
    (s) =>
      s.statefulFlatMap("sum", () => 0, (sum, n) => [
        sum,
        (function* () {
          yield n;
          throw new Error("half-way");
        })(),
      ]),
  );
  assertEquals([stepId, item, error], ["sum", `[ "a", 1 ]`, "Error: half-way"]);
});
