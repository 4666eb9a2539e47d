import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { LogBatch } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { committedBatches } from "../../../../src/connectors/kafka/read/transactions.ts";
import { marker, storedBatch } from "../../../support/kafka/wire_bytes.ts";

type Aborted = readonly [producerId: string, firstOffset: number];

function keptOffsets(batches: readonly LogBatch[], ...aborted: Aborted[]): number[] {
  const transactions = aborted.map(([producerId, firstOffset]) => ({
    producerId: BigInt(producerId),
    firstOffset,
  }));
  return committedBatches(batches, transactions).map(({ baseOffset }) => baseOffset);
}

const data = (offset: number, producerId?: string) => storedBatch(BigInt(offset), { producerId });

Deno.test("committedBatches() keeps all batches without transactions", () => {
  assertEquals(keptOffsets([data(0), data(1), data(2)]), [0, 1, 2]);
});

Deno.test("committedBatches() returns nothing for nothing", () => {
  assertEquals(keptOffsets([]), []);
  assertEquals(keptOffsets([], ["1", 0]), []);
});

Deno.test("committedBatches() leaves out markers even if nothing was aborted", () => {
  assertEquals(
    keptOffsets([data(0, "1"), data(1, "1"), marker(2n, "1", "commit"), data(3)]),
    [0, 1, 3],
  );
});

Deno.test("committedBatches() leaves out an aborted transaction with its marker", () => {
  assertEquals(
    keptOffsets(
      [data(0), data(1, "1"), data(2, "1"), marker(3n, "1", "abort"), data(4)],
      ["1", 1],
    ),
    [0, 4],
  );
});

Deno.test("committedBatches() keeps records between those of an aborted transaction", () => {
  assertEquals(
    keptOffsets(
      [data(0, "1"), data(1), data(2, "2"), data(3, "1"), marker(4n, "1", "abort"), data(5, "2")],
      ["1", 0],
    ),
    [1, 2, 5],
  );
});

Deno.test("committedBatches() processes aborted transactions in the order of their starts, not of their ends", () => {
  // The broker lists them by their ends: "2" first.
  const messages = [
    data(0, "1"),
    data(1, "2"),
    data(2, "1"),
    data(3, "2"),
    marker(4n, "2", "abort"),
    data(5, "1"),
    marker(6n, "1", "abort"),
    data(7),
  ];
  assertEquals(keptOffsets(messages, ["2", 1], ["1", 0]), [7]);
});

Deno.test("committedBatches() compares starts as numbers, not as text", () => {
  const messages = [
    data(9, "1"),
    data(10, "2"),
    marker(11n, "2", "abort"),
    marker(12n, "1", "abort"),
  ];
  assertEquals(keptOffsets(messages, ["2", 10], ["1", 9]), []);
});

Deno.test("committedBatches() leaves out a transaction that began before the fetch", () => {
  assertEquals(
    keptOffsets([data(50, "1"), data(51), marker(52n, "1", "abort"), data(53, "1")], ["1", 3]),
    [51, 53],
  );
});

Deno.test("committedBatches() opens all transactions that begin in a gap of the offsets", () => {
  // Compaction has taken the first records of both.
  assertEquals(
    keptOffsets(
      [data(10, "1"), data(11, "2"), marker(12n, "1", "abort"), marker(13n, "2", "abort")],
      ["1", 4],
      ["2", 5],
    ),
    [],
  );
});

Deno.test("committedBatches() keeps a producer's committed transaction between two aborted ones", () => {
  const messages = [
    data(0, "1"),
    marker(1n, "1", "abort"),
    data(2, "1"),
    marker(3n, "1", "commit"),
    data(4, "1"),
    marker(5n, "1", "abort"),
    data(6, "1"),
    marker(7n, "1", "commit"),
  ];
  assertEquals(keptOffsets(messages, ["1", 0], ["1", 4]), [2, 6]);
});

for (const [name, key] of [["abort", [0, 0, 0, 0]], ["commit", [0, 0, 0, 1]]] as const) {
  Deno.test(`committedBatches() takes no data record for a marker whose key is that of ${name}`, () => {
    const odd = (offset: bigint, producerId?: string) =>
      storedBatch(offset, { key: Buffer.from(key), producerId });
    assertEquals(
      keptOffsets(
        [odd(0n, "1"), odd(1n, "1"), odd(2n), data(3, "1"), marker(4n, "1", "abort"), odd(5n, "1")],
        ["1", 0],
      ),
      [2, 5],
    );
  });
}

Deno.test("committedBatches() keeps an aborted producer's records outside of transactions", () => {
  const plain = { ...data(1, "1"), isTransactional: false };
  assertEquals(keptOffsets([data(0, "1"), plain, marker(2n, "1", "abort")], ["1", 0]), [1]);
});
