import { assert, assertEquals } from "@std/assert";
import { PendingRecords } from "../../../src/connectors/kafka_tasks/pending_records.ts";
import { readBatches } from "../../../src/connectors/kafka/wire/read_batch.ts";
import { WaitingBatch } from "../../../src/connectors/kafka/read/waiting_batch.ts";
import type { PendingBatch } from "../../../src/connectors/kafka_tasks/pending_records.ts";

const PARTITION = { topic: "totals", partition: 3 };

function record(value: string) {
  return { key: null, value: new TextEncoder().encode(value), headers: [], timestamp: 5 };
}

/** The values in a batch, as a reader finds them. */
async function valuesIn(batch: PendingBatch): Promise<string[]> {
  const header = { producerId: 7n, producerEpoch: 1, baseSequence: 3, transactional: true };
  const [read] = readBatches(await batch.encode(header), true);
  assert(read.isTransactional);
  assertEquals(read.producerId, 7n);
  const values: string[] = [];
  for (const records of new WaitingBatch(read).read(false)) {
    while (!records.done) values.push(new TextDecoder().decode(records.read().value!));
  }
  return values;
}

Deno.test("PendingRecords keeps the order of a partition, and takes all at once", async () => {
  const pending = new PendingRecords();
  const packing = { writer: "a", batchBytes: 1_000 };
  const other = { writer: "b", batchBytes: 1_000 };
  pending.add(PARTITION, record("1"), packing);
  pending.add({ ...PARTITION, partition: 4 }, record("x"), packing);
  pending.add(PARTITION, record("2"), packing);
  pending.add(PARTITION, record("3"), other);
  pending.add(PARTITION, record("4"), packing);
  assert(pending.bytes > 5 && !pending.isEmpty);

  const taken = pending.take();
  const values = await Promise.all(taken.map((batches) => Promise.all(batches.map(valuesIn))));
  assertEquals(values, [[["1", "2"], ["3"], ["4"]], [["x"]]]);
  assertEquals(taken[0][0].of, PARTITION);
  assertEquals([pending.bytes, pending.isEmpty, pending.take()], [0, true, []]);
});

Deno.test("a batch of PendingRecords is not larger than its writer wants", async () => {
  const pending = new PendingRecords();
  const bySize = { writer: "a", batchBytes: 500 };
  for (const value of ["a".repeat(300), "b".repeat(300), "c".repeat(3_000), "d"]) {
    pending.add(PARTITION, record(value), bySize);
  }
  const byCount = { writer: "b", batchBytes: 500, batchRecords: 2 };
  for (const value of ["1", "2", "3"]) pending.add(PARTITION, record(value), byCount);
  const [batches] = pending.take();
  assertEquals(batches.map(({ count }) => count), [1, 1, 1, 1, 2, 1]);
  assertEquals((await valuesIn(batches[2]))[0].length, 3_000);
});

Deno.test("a batch of PendingRecords may be compressed", async () => {
  const pending = new PendingRecords();
  const compression = { codec: "gzip" } as const;
  pending.add(PARTITION, record("a".repeat(10_000)), {
    writer: "a",
    batchBytes: 1e6,
    compression,
  });
  const [[batch]] = pending.take();
  const header = { producerId: 7n, producerEpoch: 1, baseSequence: 0 };
  assert((await batch.encode(header)).length < 1_000);
});

Deno.test("the bytes of a record may be changed once PendingRecords has it", async () => {
  const pending = new PendingRecords();
  const packing = { writer: "a", batchBytes: 1_000 };
  const reused = record("before");
  pending.add(PARTITION, reused, packing);
  reused.value.fill(0x78);
  assertEquals(await valuesIn(pending.take()[0][0]), ["before"]);
});
