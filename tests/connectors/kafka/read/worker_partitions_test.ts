import { assertEquals, assertThrows } from "@std/assert";
import { WorkerPartitions } from "../../../../src/connectors/kafka/read/worker_partitions.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";

const at = (offset: number) => ({ offset: BigInt(offset) });

const found = (topic: string, partition: number) => ({
  topic,
  partition,
  start: "beginning" as const,
  isReplaced: false,
});

Deno.test("a partition's stored position is kept at every stage, and moves once it is read", () => {
  const partitions = new WorkerPartitions(new Map([["t-0", at(7)], ["other-3", at(1)]]));
  const positions = () => Object.fromEntries(partitions.positions());
  assertEquals(positions(), { "t-0": at(7), "other-3": at(1) });
  partitions.found(found("t", 0));
  assertEquals([...partitions.pending], [{ ...found("t", 0), stored: at(7) }]);
  assertEquals(positions(), { "t-0": at(7), "other-3": at(1) });
  const cursor = cursorAt(7, { topic: "t" });
  partitions.begin(cursor);
  assertEquals(partitions.pendingCount, 0);
  fetchTo(cursor, 9);
  cursor.finish();
  assertEquals(positions(), { "t-0": at(9), "other-3": at(1) });
});

Deno.test("a pending partition of a topic that was created again keeps no stored position", () => {
  const partitions = new WorkerPartitions();
  partitions.found({ ...found("t", 0), isReplaced: true, stored: at(7) });
  assertEquals(partitions.positions().size, 0);
});

Deno.test("partitions that have records to fetch are counted as they move", () => {
  const partitions = new WorkerPartitions();
  const cursors = [
    cursorAt(5, { topic: "t" }),
    cursorAt(5, { topic: "t", partition: 1, end: 6 }),
    cursorAt(5, { topic: "t", partition: 2, end: 5 }), // which has none
  ];
  for (const cursor of cursors) {
    partitions.found(found("t", cursor.partition));
    partitions.begin(cursor);
  }
  assertEquals([partitions.behind, partitions.readCount], [2, 3]);
  cursors[0].sawHighWatermark(5);
  assertEquals(partitions.behind, 1);
  cursors[0].doubt();
  assertEquals(partitions.behind, 2);
  fetchTo(cursors[1], 6);
  assertEquals(partitions.behind, 1);
  for (const cursor of cursors) cursor.release();
  partitions.forget("t");
  assertEquals([partitions.behind, partitions.readCount], [0, 0]);
});

Deno.test("a topic is forgotten with all of its partitions and positions, and found again", () => {
  const stored = new Map([["t-5", at(3)], ["t-1-5", at(4)]]);
  const partitions = new WorkerPartitions(stored);
  const cursor = cursorAt(7, { topic: "t" });
  partitions.found(found("t", 0));
  partitions.begin(cursor);
  partitions.found(found("t", 1));
  cursor.release();
  partitions.forget("t");
  assertEquals(Object.fromEntries(partitions.positions()), { "t-1-5": at(4) });
  assertEquals([cursor.state, [...partitions.cursors()]], ["retired", []]);
  assertEquals([...partitions.unreadNames()], ["t-0", "t-1"]); // they come back
  partitions.found(found("t", 0));
  partitions.foundAll("t");
  assertEquals([...partitions.unreadNames()], ["t-0"]);
  assertEquals([...partitions.pending].map(({ stored }) => stored), [undefined]);
});

Deno.test("a partition is found once, and begun once", () => {
  const partitions = new WorkerPartitions();
  const begin = () => partitions.begin(cursorAt(0, { topic: "t" }));
  assertThrows(begin, Error, "partition t-0 was not found");
  partitions.found(found("t", 0));
  assertThrows(() => partitions.found(found("t", 0)), Error, "partition t-0 was found twice");
  begin();
  assertThrows(() => partitions.found(found("t", 0)), Error, "partition t-0 was found twice");
  assertThrows(begin, Error, "partition t-0 was not found");
});
