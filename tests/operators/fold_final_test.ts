import { assertEquals, assertThrows } from "@std/assert";
import { Dataflow, TestingInputConfig } from "../../mod.ts";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";

Deno.test("foldFinal folds the values of a key from what build returns for it", async () => {
  const out = await collect(
    pairs(["b", 1], ["a", 5], ["b", 2]),
    (s) => s.foldFinal("text", (key) => `${key}:`, (acc, n) => `${acc}${n}`),
  );
  assertEquals(out, [["b", "b:12"], ["a", "a:5"]]);
});

Deno.test("foldFinal lets the folder change the accumulator in place and return it", async () => {
  const out = await collect(
    pairs(["a", 5], ["b", 1], ["a", 6]),
    (s) =>
      s.foldFinal("list", (): number[] => [], (list, n) => {
        list.push(n);
        return list;
      }),
  );
  assertEquals(out, [["a", [5, 6]], ["b", [1]]]);
});

Deno.test("foldFinal points to mapAsync when folder or build returns a promise", async () => {
  const folder = await failure(
    pairs(["a", 7]),
    (s) => s.foldFinal("list", () => 0, mistaken(async () => await Promise.resolve(1))),
  );
  assertEquals([folder.stepId, folder.item], ["list", `[ "a", 7 ]`]);
  assertEquals(folder.error.startsWith("TypeError: the folder returned a promise"), true);
  const build = await failure(
    pairs(["a", 7]),
    (s) =>
      s.foldFinal(
        "list",
        mistaken<() => number>(async () => await Promise.resolve(1)),
        (acc) => acc,
      ),
  );
  assertEquals(build.error.startsWith("TypeError: build returned a promise"), true);
});

Deno.test("foldFinal merges nothing with one worker, and refuses a merger that is not a function", async () => {
  const merged: unknown[] = [];
  const out = await collect(
    pairs(["a", 5], ["b", 1], ["a", 6]),
    (s) => s.foldFinal("sum", () => 0, (sum, n) => sum + n, (a, b) => merged.push(a, b)),
  );
  assertEquals([out, merged], [[["a", 11], ["b", 1]], []]);
  const build = () =>
    new Dataflow("refused").input("in", new TestingInputConfig(pairs(["a", 1])))
      .foldFinal("sum", () => 0, (sum, n) => sum + n, mistaken<(a: number) => number>(7));
  assertThrows(build, TypeError, "foldFinal's merger must be given a function; got 7");
});
