import { assertEquals } from "@std/assert";
import { StateSize } from "../../../src/runtime/keyed/state_size.ts";

Deno.test("the size of a state is not known before anything was encoded, unless there is none", () => {
  const size = new StateSize();
  assertEquals([size.of(0), size.of(3)], [0, null]);
});

Deno.test("the size of a state is exact where all keys have changed", () => {
  const size = new StateSize();
  size.wrote(4, 100, 4);
  assertEquals(size.of(4), 100);
  size.wrote(4, 60, 4);
  assertEquals(size.of(4), 60);
});

Deno.test("keys that have not changed count as before, on average", () => {
  const size = new StateSize();
  for (let key = 0; key < 10; key++) size.restored(50);
  assertEquals(size.of(10), 500);
  size.wrote(2, 300, 10);
  assertEquals(size.of(10), 8 * 50 + 300);
  size.wrote(0, 0, 10);
  assertEquals(size.of(10), 700);
  assertEquals(size.of(5), 350); // the others have been forgotten since
});

Deno.test("keys that have come since the last snapshot count as the others, on average", () => {
  const size = new StateSize();
  size.wrote(2, 20, 2);
  assertEquals(size.of(6), 60);
});
