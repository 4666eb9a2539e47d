import { assertEquals } from "@std/assert";
import { collect } from "../support/runtime/collect.ts";

Deno.test("redistribute passes all items on, in their order on one worker", async () => {
  assertEquals(await collect([3, 1, 2], (s) => s.redistribute().map((n) => n)), [3, 1, 2]);
});
