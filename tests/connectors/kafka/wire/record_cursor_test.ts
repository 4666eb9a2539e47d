import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { type LogBatch, readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import { storedBytes } from "../../../support/kafka/wire_bytes.ts";

const record = (value: string, headers: [Buffer, Buffer][] = []) => ({
  key: null,
  value: Buffer.from(value),
  headers,
  timestamp: 1_700_000_000_000,
});

/** Three records of 8 bytes: `length attributes time offset key valueLength value headers`. */
const BYTES = storedBytes(7n, [record("a"), record("b"), record("c")]);

/** The batch with one change. No checksum is verified, as a faulty writer's would be right. */
function changed(change: (bytes: Buffer, records: Buffer) => void): LogBatch {
  const bytes = Buffer.from(BYTES);
  change(bytes, bytes.subarray(61));
  return readBatches(bytes, false)[0];
}

function readAll(batch: LogBatch, withHeaders = false): number[] {
  const cursor = new RecordCursor(batch, batch.records, withHeaders);
  const offsets: number[] = [];
  while (!cursor.done) offsets.push(cursor.read().offset);
  return offsets;
}

const DAMAGED: Record<string, [change: (bytes: Buffer, records: Buffer) => void, why: string]> = {
  "fewer records than there are": [
    (bytes) => bytes.writeInt32BE(2, 57),
    "8 bytes follow its last record",
  ],
  "no records though there are some": [
    (bytes) => bytes.writeInt32BE(0, 57),
    "it has 24 bytes for 0 records",
  ],
  "more records than its bytes can hold": [
    (bytes) => {
      bytes.writeInt32BE(4, 57);
      bytes.writeInt32BE(3, 23);
    },
    "it has 24 bytes for 4 records",
  ],
  "an offset twice": [(_, records) => records[8 + 3] = 0, "record 1 is at offset 7"],
  "an offset that goes back": [(_, records) => records[16 + 3] = 0, "record 2 is at offset 7"],
  "an offset beyond the batch": [(_, records) => records[16 + 3] = 6, "record 2 is at offset 10"],
  "an offset before the batch": [(_, records) => records[3] = 1, "record 0 is at offset 6"],
  "a record that is longer than its parts": [
    (_, records) => records[0] = 16,
    "record 0 does not end where it says",
  ],
  "a record that is shorter than its parts": [
    (_, records) => records[0] = 12,
    "record 0 does not end where it says",
  ],
  "a negative length": [(_, records) => records[0] = 23, "record 0 has a length of -12"],
  "a key of a length below that of none": [
    (_, records) => records[4] = 3,
    "record 0 has a part of -2 bytes",
  ],
  "a value of a length below that of none": [
    (_, records) => records[5] = 23,
    "record 0 has a part of -12 bytes",
  ],
  "more headers than there is room for": [
    (_, records) => records[7] = 2,
    "record 0 has 1 headers",
  ],
  "a negative number of headers": [(_, records) => records[7] = 3, "record 0 has -2 headers"],
};

for (const [what, [change, why]] of Object.entries(DAMAGED)) {
  for (const withHeaders of [false, true]) {
    Deno.test(`a batch with ${what} is damaged, with headers ${withHeaders}`, () => {
      assertThrows(
        () => readAll(changed(change), withHeaders),
        Error,
        `the batch at offset 7 is damaged: ${why}`,
      );
    });
  }
}

Deno.test("headers that are not requested are skipped, and have to fit", () => {
  const headers: [Buffer, Buffer][] = [[Buffer.from("name"), Buffer.from("value")]];
  const [batch] = readBatches(storedBytes(0n, [record("a", headers), record("b")]), false);
  assertEquals(readAll(batch), [0, 1]);
  const damaged = Buffer.from(batch.records);
  damaged[damaged.indexOf("name") - 1] += 2;
  assertThrows(() => readAll({ ...batch, records: damaged }), Error, "is damaged");
});

Deno.test("records may have gaps between their offsets after compaction", () => {
  const batch = changed((bytes, records) => {
    bytes.writeInt32BE(9, 23);
    records[8 + 3] = 2 * 4;
    records[16 + 3] = 2 * 5;
  });
  assertEquals([readAll(batch), batch.lastOffset], [[7, 11, 12], 16]);
});

Deno.test("a header's name that is not UTF-8 is read with U+FFFD in it, and its value as it is", () => {
  const [name, value] = [Buffer.from([0x61, 0xff, 0x62]), Buffer.from([0xff])];
  const [batch] = readBatches(storedBytes(0n, [record("a", [[name, value]])]), false);
  const { headers } = new RecordCursor(batch, batch.records, true).read();
  assertEquals(headers.map(([name, value]) => [name, [...value!]]), [["a\uFFFDb", [0xff]]]);
});
