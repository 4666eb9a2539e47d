import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { statefulNode } from "../../../src/operators/stateful.ts";
import { KeyIds } from "../../../src/runtime/keyed/key_ids.ts";
import { createKeyTable, type KeyTable } from "../../../src/runtime/keyed/key_table.ts";
import { stillScope } from "../../support/runtime/step_scope.ts";

/** A table whose keys have the state that they were restored with, or 0. */
function tableWith(ids: KeyIds | null): KeyTable {
  const node = statefulNode(
    null as never, // nothing is upstream of it here
    "step",
    (state: number | undefined) => ({ onItem: () => {}, snapshot: () => state ?? 0 }),
  );
  return createKeyTable(node, ids, stillScope());
}

/** Removes and returns the changed keys, as `id key state`. */
function changed(table: KeyTable): string[] {
  const taken: string[] = [];
  table.takeChanged((logic) => taken.push(`${logic.id} ${logic.key} ${logic.snapshot()}`));
  return taken;
}

Deno.test("a key table takes each changed key once, until it is marked as changed again", () => {
  const table = tableWith(new KeyIds(0, 1));
  const [a, b] = [table.add("a"), table.add("b")];
  assertEquals([a.dirty, b.dirty], [true, true]);
  assertEquals(changed(table), ["0 a 0", "1 b 0"]);
  assertEquals([a.dirty, b.dirty], [false, false]);
  table.markChanged(b);
  assertEquals(changed(table), ["1 b 0"]);
  assertEquals(changed(table), []);
});

Deno.test("a restored key is in the table, and unchanged", () => {
  const table = tableWith(new KeyIds(9, 1));
  const logic = table.restore("a", 4, 7);
  assertStrictEquals(table.keys.get("a"), logic);
  assertEquals([logic.id, logic.isStored, logic.dirty], [4, true, false]);
  assertEquals(changed(table), []);
  table.markChanged(logic);
  assertEquals(changed(table), ["4 a 7"]);
});

Deno.test("a forgotten key is taken as forgotten only if a snapshot has it", () => {
  const table = tableWith(new KeyIds(9, 1));
  table.forget(table.restore("stored", 4, 7), true);
  table.forget(table.add("new"), true);
  assertEquals([...table.keys.keys()], []);
  assertEquals(table.takeForgotten(), [{ id: 4, key: "stored" }]);
  assertEquals([table.takeForgotten(), changed(table)], [[], []]);
});

Deno.test("a key may be forgotten and added again between two snapshots", () => {
  const table = tableWith(new KeyIds(0, 1));
  table.add("a");
  assertEquals(changed(table), ["0 a 0"]);
  table.forget(table.keys.get("a")!, true);
  table.add("a");
  assertEquals(table.takeForgotten(), [{ id: 0, key: "a" }]);
  assertEquals(changed(table), ["0 a 0"]);
});

Deno.test("a key table without numbers notes no changes: no snapshots are taken", () => {
  const table = tableWith(null);
  const logic = table.add("a");
  assertEquals([logic.id, logic.dirty], [-1, true]); // so no loop marks it
  table.forget(logic, true);
  assertEquals([changed(table), table.takeForgotten()], [[], []]);
});

Deno.test("a key table refuses a result of isDone() that is not true or false", () => {
  const table = tableWith(null);
  const logic = table.add("a");
  for (const done of [1, null, undefined, "yes"]) {
    assertThrows(
      () => table.forget(logic, done),
      TypeError,
      "isDone must return true or false; got",
    );
  }
  assertThrows(
    () => table.forget(logic, Promise.resolve(true)),
    TypeError,
    "isDone returned a promise",
  );
  assertStrictEquals(table.keys.get("a"), logic);
});
