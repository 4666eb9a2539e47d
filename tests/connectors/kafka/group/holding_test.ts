import { assertEquals, assertThrows } from "@std/assert";
import { Holding } from "../../../../src/connectors/kafka/group/holding.ts";
import { partsOf, taskId } from "../../../../src/core/task_id.ts";
import { fromWire, toWire } from "../../../../src/connectors/kafka/group/tasks.ts";

const [A, B, C] = [0, 1, 2].map((partition) => taskId("keyed_by_user", partition));

Deno.test("tasks have names, and are listed by sub-topology in order", () => {
  assertEquals(partsOf(B), { subtopology: "keyed_by_user", partition: 1 });
  const listed = [
    { subtopologyId: "keyed_by_user", partitions: [0, 2] },
    { subtopologyId: "read", partitions: [10] },
  ];
  assertEquals(toWire([C, taskId("read", 10), A]), listed);
  assertEquals(fromWire(listed), new Set([A, C, taskId("read", 10)]));
});

Deno.test("Holding keeps a task that is to be given up until that is acknowledged", () => {
  const holding = new Holding();
  holding.told(new Set([A, B]));
  holding.told(new Set([A]));
  holding.told(new Set([A])); // says the same again
  assertEquals(holding.takeEvents(), [
    { kind: "assigned", tasks: new Set([A, B]) },
    { kind: "revoke", tasks: new Set([B]) },
  ]);
  assertEquals(holding.owned, new Set([A, B]));
  assertEquals(holding.acknowledged([A, B]), false);
  assertEquals(holding.acknowledged([A]), true);
  assertEquals(holding.owned, new Set([A]));
  assertEquals(holding.isRevoking, false);
});

Deno.test("Holding starts a task again that it may have back when it is given up", () => {
  const holding = new Holding();
  holding.told(new Set([A, B]));
  holding.told(new Set([A]));
  holding.told(new Set([A, B]));
  holding.takeEvents();
  holding.acknowledged([A]);
  assertEquals(holding.takeEvents(), [{ kind: "assigned", tasks: new Set([B]) }]);
});

Deno.test("Holding accepts no task that it does not own, and none given up too early", () => {
  const holding = new Holding();
  holding.told(new Set([A, B]));
  assertThrows(() => holding.acknowledged([A, B, C]), TypeError, `does not own task "${C}"`);
  assertThrows(() => holding.acknowledged([A]), TypeError, `gives up task "${B}"`);
});

Deno.test("Holding tells what is lost once, and a status only when it changes", () => {
  const holding = new Holding();
  holding.status(null);
  holding.status("waits");
  holding.status("waits");
  holding.told(new Set([A]));
  holding.lose("silent");
  holding.lose("again");
  holding.status(null);
  assertEquals(holding.takeEvents(), [
    { kind: "status", text: "waits" },
    { kind: "assigned", tasks: new Set([A]) },
    { kind: "lost", tasks: new Set([A]), reason: "silent" },
    { kind: "status", text: null },
  ]);
});
