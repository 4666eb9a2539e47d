import { assertEquals } from "@std/assert";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";
import type { Dataflow, Keyed } from "../../mod.ts";

Deno.test("mapValue maps the value, and the key stays", async () => {
  assertEquals(await collect(pairs(["a", 1], ["b", 2]), (s) => s.mapValue((n) => n * 10)), [
    ["a", 10],
    ["b", 20],
  ]);
});

Deno.test("mapValue leaves the pairs alone that came in", async () => {
  const items = pairs(["a", 1]);
  await collect(items, (s) => s.mapValue(() => 99));
  assertEquals(items, [["a", 1]]);
});

Deno.test("mapValue and flatMapValue refuse items that are not pairs, or have no string key", async () => {
  const steps: [string, (s: Dataflow<Keyed<number>>) => Dataflow<Keyed<number>>][] = [
    ["mapValue", (s) => s.mapValue((n) => n)],
    ["flatMapValue", (s) => s.flatMapValue((n) => [n])],
  ];
  for (const [step, add] of steps) {
    for (const wrong of ["ab", ["a"], ["a", 1, 2], null, { key: "a" }]) {
      const { stepId, item, error } = await failure([wrong], (s) => add(mistaken(s)));
      const shown = Deno.inspect(wrong);
      assertEquals([stepId, item], [`${step}-1`, shown]);
      assertEquals(
        error,
        `TypeError: ${step} needs [key, value] pairs; got ${shown} (use keyOn or map to make pairs)`,
      );
    }
    const { stepId, error } = await failure([[7, 1]], (s) => add(mistaken(s)));
    assertEquals(stepId, `${step}-1`);
    assertEquals(error, `TypeError: ${step} needs string keys; got the key 7 in [ 7, 1 ]`);
  }
});

Deno.test("mapValue points to mapAsync when its function returns a promise", async () => {
  const { stepId, item, error } = await failure(
    pairs(["a", 1]),
    (s) => s.mapValue((n) => Promise.resolve(n)),
  );
  assertEquals([stepId, item], ["mapValue-1", `[ "a", 1 ]`]);
  assertEquals(error.startsWith("TypeError: the function of mapValue returned a promise"), true);
});
