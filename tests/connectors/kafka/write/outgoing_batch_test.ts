import { assertEquals } from "@std/assert";
import type { KafkaOutputItem } from "millrace";
import { toMessage } from "../../../../src/connectors/kafka/message.ts";
import { readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import { encodeRecordBatch } from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { OutgoingBatch } from "../../../../src/connectors/kafka/write/outgoing_batch.ts";
import { toRecord } from "../../../../src/connectors/kafka/write/to_record.ts";

const PARTITION = 3;
const NOW = Date.UTC(2026, 10, 28);
const HEADER = { producerId: 7n, producerEpoch: 1, baseSequence: 40, transactional: true };

const bytes = (...values: number[]) => new Uint8Array(values);

const read = toMessage(
  {
    offset: 17,
    timestamp: 2 ** 60 + 256, // a number, but its distance from others is not exact as one
    key: bytes(1),
    value: null,
    headers: [["trace", bytes(9)], ["trace", null]],
  },
  "from",
  2,
);

/** Items in all forms, and how each looks in an error. */
const ITEMS: readonly (readonly [KafkaOutputItem, KafkaOutputItem])[] = [
  [["k", "grüße"], ["k", "grüße"]],
  [[null, bytes(1, 2)], [null, bytes(1, 2)]],
  [[bytes(0xff), null], [bytes(0xff), null]],
  [["", ""], ["", ""]],
  [{ value: "v" }, { value: "v" }],
  [{ key: null, value: "v" }, { key: null, value: "v" }],
  [{ key: "k", value: bytes(5), partition: 3 }, { key: "k", value: bytes(5), partition: 3 }],
  [
    { value: "v", timestamp: 5, headers: { a: "x", b: null } },
    { value: "v", timestamp: 5, rawHeaders: [["a", bytes(0x78)], ["b", null]] },
  ],
  [read, {
    key: bytes(1),
    value: null,
    rawHeaders: read.rawHeaders,
    timestamp: read.timestamp,
    topic: "from",
    partition: 2,
    offset: 17n,
  } as KafkaOutputItem],
  [["last", "x".repeat(10_000)], ["last", "x".repeat(10_000)]],
];

const RECORDS = ITEMS.map(([item]) =>
  toRecord(item, "to", { now: NOW, partitionOf: () => PARTITION, count: 4, keyless: PARTITION })
);

function batchOf(records = RECORDS): OutgoingBatch {
  const batch = new OutgoingBatch(PARTITION);
  for (const record of records) batch.add(record);
  return batch;
}

Deno.test("a batch that records are added to is the same as one that is encoded at once", () => {
  assertEquals(batchOf().encode(HEADER), encodeRecordBatch(RECORDS, HEADER));
  assertEquals(batchOf().count, RECORDS.length);
  assertEquals(batchOf().bytes, RECORDS.reduce((sum, record) => sum + record.bytes, 0));
});

Deno.test("a batch returns its records, with items that look like those that were added", () => {
  const records = batchOf().records();
  assertEquals(
    records,
    RECORDS.map((record, i) => ({
      ...record,
      headers: record.headers.map(([name, data]) => [new Uint8Array(name), data] as const),
      partition: PARTITION,
      item: ITEMS[i][1],
    })),
  );
});

Deno.test("looking at the records of a batch does not change what is sent", () => {
  const batch = batchOf();
  const sent = batch.encode(HEADER);
  batch.records();
  batch.split();
  assertEquals(sent, encodeRecordBatch(RECORDS, HEADER));
});

Deno.test("the halves of a batch have its records, in order, with their times", () => {
  const halves = batchOf().split();
  assertEquals(halves.map(({ count }) => count), [5, 5]);
  assertEquals(halves[0].encode(HEADER), encodeRecordBatch(RECORDS.slice(0, 5), HEADER));
  assertEquals(halves[1].encode(HEADER), encodeRecordBatch(RECORDS.slice(5), HEADER));
  const [first, rest] = batchOf(RECORDS.slice(0, 3)).split();
  assertEquals([first.count, rest.count], [1, 2]);
  const [batch] = readBatches(rest.encode(HEADER), true);
  assertEquals(new RecordCursor(batch, batch.records, false).read().value, bytes(1, 2));
});
