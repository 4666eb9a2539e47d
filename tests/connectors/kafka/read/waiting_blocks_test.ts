import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BlockRecords } from "../../../../src/connectors/kafka/read/block_records.ts";
import { type Block, WaitingBlocks } from "../../../../src/connectors/kafka/read/waiting_blocks.ts";
import { cursorAt } from "../../../support/kafka/cursor_at.ts";

const cursors = [0, 1].map((partition) => cursorAt(0, { topic: "t", partition }));

function blockOf(partition: number, from: number, unpackedBytes = 0): Block {
  const records = new BlockRecords([]);
  return { cursor: cursors[partition], from, next: from + 1, records, bytes: 10, unpackedBytes };
}

Deno.test("blocks are taken in the order in which they came, or by partition", () => {
  const blocks = [blockOf(0, 0), blockOf(1, 0), blockOf(0, 1)];
  const [inOrder, byPartition] = [new WaitingBlocks(false), new WaitingBlocks(true)];
  for (const block of blocks) for (const waiting of [inOrder, byPartition]) waiting.push(block);
  for (const block of blocks) {
    assertStrictEquals(inOrder.first, block);
    inOrder.remove(block);
  }
  assertEquals([inOrder.first, inOrder.isEmpty], [null, true]);
  assertEquals(byPartition.first, null);
  for (const block of [blocks[1], blocks[0], blocks[2]]) {
    assertStrictEquals(byPartition.firstOf(block.cursor.name), block);
    byPartition.remove(block);
  }
  assertEquals([byPartition.firstOf("t-0"), byPartition.isEmpty], [null, true]);
});

Deno.test("waiting blocks know of which partitions they are, and what memory each uses", () => {
  const waiting = new WaitingBlocks(true);
  const [first, second, third] = [blockOf(0, 0, 4), blockOf(1, 0), blockOf(1, 1)];
  assertEquals([waiting.push(first), waiting.push(second)], [true, true]);
  const { names } = waiting;
  assertEquals([waiting.push(third), names], [false, ["t-0", "t-1"]]);
  assertStrictEquals(waiting.names, names); // the same partitions
  assertEquals([waiting.bytesOf("t-0"), waiting.bytesOf("t-1"), waiting.bytes], [10, 20, 30]);
  assertEquals(waiting.unpackedBytes, 4);
  waiting.remove(second);
  waiting.push(blockOf(0, 1));
  assertEquals(waiting.names, ["t-0", "t-1"]);
  waiting.remove(first);
  assertNotStrictEquals(waiting.names, names);
  assertEquals(waiting.names, ["t-1", "t-0"]); // they take turns
  waiting.remove(waiting.firstOf("t-0")!);
  assertEquals([waiting.names, waiting.bytesOf("t-0"), waiting.unpackedBytes], [["t-1"], 0, 0]);
});
