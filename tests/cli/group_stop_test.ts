import { assertEquals } from "@std/assert";
import { stoppedText } from "../../src/cli/group_stop.ts";

Deno.test("a machine that stops says who gets its tasks, and when", () => {
  const stopped = { tasks: 3, protocol: "streams", leaves: false, sessionMs: 6_500 };
  assertEquals(
    stoppedText(stopped),
    "stopped: it keeps its 3 tasks until its session ends (6.5 s), and then others get them",
  );
  assertEquals(
    stoppedText({ ...stopped, tasks: 1, sessionMs: null }),
    "stopped: it keeps its 1 task until its session ends (45 s, unless the " +
      "brokers have another time), and then others get them",
  );
  assertEquals(
    stoppedText({ ...stopped, leaves: true }),
    "stopped: other machines get its 3 tasks at once",
  );
  assertEquals(stoppedText({ ...stopped, tasks: 0 }), "stopped: it had no tasks");
  assertEquals(
    stoppedText({ ...stopped, tasks: 0, protocol: null }),
    "stopped before it has joined the group",
  );
});
