import { assertEquals } from "@std/assert";
import { countsText, stateText } from "../../src/ops/task_words.ts";

Deno.test("tasks are told by their states, and a restore is at 100 % when it is over", () => {
  const none = { waiting: 0, restoring: 0, running: 0, revoking: 0 };
  assertEquals(countsText(none, null), "0 running");
  assertEquals(
    countsText({ waiting: 1, restoring: 3, running: 12, revoking: 2 }, 0.999),
    "12 running, 3 restoring 99 %, 1 waiting, 2 being given up",
  );
  assertEquals(stateText("revoking", null), "being given up");
  assertEquals(stateText("restoring", 0.41), "restoring 41 %");
});
