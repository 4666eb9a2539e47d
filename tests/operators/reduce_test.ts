import { assertEquals } from "@std/assert";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("reduce emits a key's accumulator when it is complete, and starts over", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 5], ["a", 2], ["a", 3], ["b", 5], ["a", 4], ["a", 7]),
    (s) => s.reduce("sum", (acc, n) => acc + n, (acc) => acc >= 6),
  );
  assertEquals(out, [["a", 6], ["b", 10], ["a", 11]]);
});

Deno.test("reduce asks whether it is complete after the first value, too", async () => {
  const asked: number[] = [];
  const out = await collect(
    pairs(["a", 9], ["a", 1]),
    (s) =>
      s.reduce("sum", (acc, n) => acc + n, (acc) => {
        asked.push(acc);
        return acc >= 9;
      }),
  );
  assertEquals(out, [["a", 9]]);
  assertEquals(asked.toSorted(), [1, 1, 1, 9, 9, 9]);
});

Deno.test("reduce does not call the reducer for the first value", async () => {
  const calls: [number, number][] = [];
  await collect(pairs(["a", 1], ["a", 2]), (s) =>
    s.reduce("sum", (acc, n) => {
      calls.push([acc, n]);
      return acc + n;
    }, () => false));
  assertEquals(calls, [[1, 2], [1, 2], [1, 2]]); // one for each of the three runs
});

Deno.test("reduce does not emit what is incomplete when the input ends", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 2], ["b", 3]),
    (s) => s.reduce("sum", (acc, n) => acc + n, (acc) => acc >= 5),
  );
  assertEquals(out, [["b", 5]]);
});

Deno.test("reduce accepts undefined as a value and as an accumulator", async () => {
  const out = await collect(
    pairs<number | undefined>(["a", undefined], ["a", 1]),
    (s) => s.reduce("first", (acc) => acc, (acc) => acc !== undefined),
  );
  assertEquals(out, []);
  const complete = await collect(
    pairs<number | undefined>(["a", undefined], ["a", 1]),
    (s) => s.reduce("first", (acc, n) => acc ?? n, (acc) => acc === 1),
  );
  assertEquals(complete, [["a", 1]]);
});

Deno.test("reduce refuses an isComplete that returns anything but true and false", async () => {
  for (const [given, shown] of [[1, "1"], [undefined, "undefined"], ["yes", `"yes"`]]) {
    const { stepId, item, error } = await failure(
      pairs(["a", 7]),
      (s) => s.reduce("sum", (acc) => acc, mistaken(() => given)),
    );
    assertEquals([stepId, item], ["sum", `[ "a", 7 ]`]);
    assertEquals(error, `TypeError: isComplete must return true or false; got ${shown}`);
  }
});

Deno.test("reduce points to mapAsync when the reducer or isComplete returns a promise", async () => {
  const why = "but stateful steps are synchronous: await in a mapAsync before this step";
  const reducer = await failure(
    pairs(["a", 7], ["a", 8]),
    (s) => s.reduce("sum", mistaken(async () => await Promise.resolve(1)), () => false),
  );
  assertEquals([reducer.stepId, reducer.item], ["sum", `[ "a", 8 ]`]);
  assertEquals(reducer.error, `TypeError: the reducer returned a promise, ${why}`);
  const isComplete = await failure(
    pairs(["a", 7]),
    (s) => s.reduce("sum", (acc) => acc, mistaken(() => Promise.resolve(true))),
  );
  assertEquals(isComplete.error, `TypeError: isComplete returned a promise, ${why}`);
});

Deno.test("reduce names the step and the item when the reducer throws", async () => {
  const { stepId, item, error } = await failure(
    pairs(["a", 1], ["a", 2]),
    (s) =>
      s.reduce("sum", () => {
        throw new Error("cannot add");
      }, () => false),
  );
  assertEquals([stepId, item, error], ["sum", `[ "a", 2 ]`, "Error: cannot add"]);
});
