import { assertEquals } from "@std/assert";
import { KeyIds } from "../../../src/runtime/keyed/key_ids.ts";

Deno.test("KeyIds of several workers never return the same number", () => {
  const workers = [0, 1, 2].map((index) => new KeyIds(10 + index, 3));
  const taken = [0, 1, 2, 0, 0, 1].map((worker) => workers[worker].take());
  assertEquals(taken, [10, 11, 12, 13, 16, 14]);
});

Deno.test("KeyIds returns released numbers before new ones", () => {
  const ids = new KeyIds(0, 2);
  assertEquals([ids.take(), ids.take(), ids.take()], [0, 2, 4]);
  ids.release(2);
  assertEquals([ids.take(), ids.take()], [2, 6]);
});
