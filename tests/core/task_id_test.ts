import { assertEquals } from "@std/assert";
import { partsOf, rangesOf, taskId } from "../../src/core/task_id.ts";

Deno.test("a task's name has its parts, whatever the sub-topology is called", () => {
  assertEquals(partsOf(taskId("by_user", 12)), { subtopology: "by_user", partition: 12 });
});

Deno.test("partitions that follow each other are one range", () => {
  const keyed = [10, 0, 2, 1, 4, 5, 9].map((partition) => taskId("keyed", partition));
  assertEquals(rangesOf([taskId("orders", 3), ...keyed]), "keyed_0-2+4-5+9-10, orders_3");
  assertEquals(rangesOf([]), "");
});
