import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  type LogBatch,
  type LogRecord,
  readBatches,
} from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import type { WireRecord } from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { storedBytes } from "../../../support/kafka/wire_bytes.ts";
import { Random } from "../../../support/values/random.ts";

const NOW = 1_700_000_000_000;

function randomRecord(random: Random): WireRecord {
  const data = (most: number) =>
    Buffer.from(Uint8Array.from({ length: random.below(most + 1) }, () => random.below(256)));
  const most = () => random.pick([0, 5, 63, 64, 127, 128, 300, 9000]);
  return {
    key: random.below(4) === 0 ? null : data(most()),
    value: random.below(4) === 0 ? null : data(most()),
    headers: Array.from(
      { length: random.below(4) },
      (_, i) => [Buffer.from(`name-${i}-é`), data(70)] as const,
    ),
    timestamp: NOW + random.below(2 ** 31) * (random.below(2) === 0 ? 50 : -50),
  };
}

function readAll(batch: LogBatch, withHeaders = true): LogRecord[] {
  const cursor = new RecordCursor(batch, batch.records, withHeaders);
  const records: LogRecord[] = [];
  while (!cursor.done) records.push(cursor.read());
  return records;
}

const text = (bytes: Uint8Array | null) =>
  bytes === null ? null : Buffer.from(bytes).toString("hex");

Deno.test("readBatches() and RecordCursor return what encodeRecordBatch() wrote", () => {
  const random = new Random(11);
  for (let round = 0; round < 200; round++) {
    const counts = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(20));
    const written = counts.map((length) => Array.from({ length }, () => randomRecord(random)));
    let offset = random.below(2 ** 31) * 2 ** 20;
    const bytes = Buffer.concat(written.map((records, i) => {
      const start = i === 0 ? offset : offset += written[i - 1].length;
      return storedBytes(BigInt(start), records);
    }));
    const batches = readBatches(bytes, false);
    assertEquals(batches.map(({ count }) => count), counts);
    batches.forEach((batch, i) => {
      const records = readAll(batch);
      assertEquals(batch.lastOffset, batch.baseOffset + counts[i] - 1);
      records.forEach((record, j) => {
        const { key, value, headers, timestamp } = written[i][j];
        assertEquals(record.offset, batch.baseOffset + j);
        assertEquals(record.timestamp, timestamp);
        assertEquals([text(record.key), text(record.value)], [
          text(key as Uint8Array | null),
          text(value as Uint8Array | null),
        ]);
        assertEquals(
          record.headers.map(([name, data]) => [name, text(data)]),
          headers.map(([name, data]) => [new TextDecoder().decode(name), text(data)]),
        );
      });
      assertEquals(
        readAll(batch, false).map(({ offset, headers }) => [offset, headers.length]),
        records.map(({ offset }) => [offset, 0]),
      );
    });
  }
});

Deno.test("readBatches() leaves out a last batch that is cut off, wherever it is", () => {
  const record = { key: null, value: Buffer.from("value"), headers: [], timestamp: NOW };
  const first = storedBytes(0n, [record]);
  const both = Buffer.concat([first, storedBytes(1n, [record])]);
  for (let length = 0; length <= both.length; length++) {
    const whole = length === both.length ? 2 : length >= first.length ? 1 : 0;
    assertEquals(readBatches(both.subarray(0, length), false).length, whole, `${length} bytes`);
  }
});

Deno.test("readBatches() refuses a batch with a flipped bit if checksums are verified", () => {
  const record = { key: Buffer.from("k"), value: Buffer.from("v"), headers: [], timestamp: NOW };
  // Without overrides, the bytes are as they were encoded, so that the checksum is right.
  const bytes = storedBytes(0n, [record, record]);
  assertEquals(readBatches(bytes, true).length, 1);
  for (let at = 21; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 0x10;
    assertThrows(() => readBatches(damaged, true), Error, "its checksum is wrong");
  }
});

Deno.test("RecordCursor ends soon, or throws, for any bytes", () => {
  const random = new Random(12);
  const [batch] = readBatches(
    storedBytes(0n, Array.from({ length: 5 }, () => randomRecord(random))),
    false,
  );
  for (let round = 0; round < 5_000; round++) {
    const bytes = Buffer.from(batch.records.subarray(0, random.below(batch.records.length + 1)));
    for (let flips = random.below(4); flips > 0 && bytes.length > 0; flips--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    let read = 0;
    try {
      const cursor = new RecordCursor(batch, bytes, true);
      while (!cursor.done) {
        cursor.read();
        read++;
      }
    } catch (error) {
      assertMatch((error as Error).message, /^the batch at offset 0 is damaged: /);
    }
    assertEquals(read <= batch.count, true);
  }
});

Deno.test("readBatches() refuses impossible counts", () => {
  const record = { key: null, value: null, headers: [], timestamp: NOW };
  for (const [lastDelta, count] of [[1, -1], [1, 3], [-1, 2], [-1, 0], [1, 2 ** 31 - 1]]) {
    const bytes = storedBytes(7n, [record, record]);
    bytes.writeInt32BE(lastDelta, 23);
    bytes.writeInt32BE(count, 57);
    assertThrows(() => readBatches(bytes, false), Error, "the batch at offset 7 is damaged");
  }
});
