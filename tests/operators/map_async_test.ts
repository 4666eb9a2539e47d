import { assertEquals, assertThrows } from "@std/assert";
import { collect } from "../support/runtime/collect.ts";
import { Dataflow, TestingInputConfig } from "../../mod.ts";

Deno.test("mapAsync sends on what the promises resolve with, in order", async () => {
  for (const concurrency of [1, 2, 1_000]) {
    assertEquals(
      await collect(
        [1, 2, 3],
        (s) => s.mapAsync(async (n) => await Promise.resolve(n * 10), { concurrency }),
      ),
      [10, 20, 30],
    );
  }
});

Deno.test("mapAsync sends null and undefined on like any other result", async () => {
  const results = [null, undefined, 0];
  assertEquals(
    await collect([0, 1, 2], (s) => s.mapAsync((n) => Promise.resolve(results[n]))),
    results,
  );
});

Deno.test("mapAsync refuses a concurrency that is not a positive integer, where it is written", () => {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  for (const concurrency of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(
      () => numbers.mapAsync((n) => Promise.resolve(n), { concurrency }),
      RangeError,
      `mapAsync's concurrency must be a positive integer; got ${concurrency}`,
    );
  }
});
