import { assertEquals } from "@std/assert";
import { counted } from "../../src/core/counted.ts";

Deno.test("counted() uses the singular for one thing, and the plural for all other numbers", () => {
  const workers = [0, 1, 2, 1_000].map((count) => counted(count, "worker"));
  assertEquals(workers, ["0 workers", "1 worker", "2 workers", "1000 workers"]);
  assertEquals([1, 2].map((count) => counted(count, "try", "tries")), ["1 try", "2 tries"]);
});
