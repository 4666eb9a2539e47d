/** A record that was read is written unchanged. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { ItemError, type KafkaMessage, type KafkaOutputItem } from "millrace";
import { decodeValue, encodeValue } from "../../../../src/core/value_codec.ts";
import { readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import { toMessage } from "../../../../src/connectors/kafka/message.ts";
import { partitionerOf } from "../../../../src/connectors/kafka/write/partitioner.ts";
import {
  encodeRecordBatch,
  type WireRecord,
} from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { toRecord } from "../../../../src/connectors/kafka/write/to_record.ts";

const NOW = 1_700_000_000_000;
const PARTITIONING = {
  now: NOW,
  partitionOf: partitionerOf("murmur2_random"),
  count: 1,
  keyless: 0,
};
const HEADER = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

type Header = readonly [name: string, value: string | null];

/**
 * In order, with a name that repeats in between, names like numbers, no value, and an empty one.
 */
const HEADERS: readonly Header[] = [
  ["first", "1"],
  ["nothing", null],
  ["second", ""],
  ["10", "x"],
  ["first", "3"],
  ["2", "y"],
  ["first", null],
];

function messageOf(headers: readonly Header[], timestamp = NOW): KafkaMessage {
  const bytes = headers.map(([name, value]) =>
    [name, value === null ? null : Buffer.from(value)] as const
  );
  const record = { offset: 5, timestamp, key: null, value: Buffer.from("v"), headers: bytes };
  return toMessage(record, "from", 0);
}

const make = (item: unknown) => toRecord(item as KafkaOutputItem, "to", PARTITIONING);

/** The headers with which an item is written. */
function written(item: unknown): Header[] {
  const text = (bytes: Uint8Array | null) => bytes === null ? null : Buffer.from(bytes).toString();
  return make(item).headers.map(([name, value]) => [text(name)!, text(value)]);
}

function refusal(item: unknown): string {
  return (assertThrows(() => make(item), ItemError) as ItemError).message;
}

/** The records, read back after they have been written. */
function readBack(records: readonly WireRecord[]) {
  const [batch] = readBatches(encodeRecordBatch(records, HEADER), true);
  const cursor = new RecordCursor(batch, batch.records, true);
  return records.map(() => cursor.read());
}

Deno.test("toRecord() writes the headers of a message as they were read", () => {
  assertEquals(written(messageOf(HEADERS)), HEADERS);
});

Deno.test("toRecord() writes them as they were, even after another worker or a store had them", () => {
  const message = decodeValue(encodeValue(messageOf(HEADERS))) as KafkaMessage;
  assertEquals(written(message), HEADERS);
  assertEquals(written({ ...message }), HEADERS);
});

Deno.test("toRecord() writes many headers as they were, with and without values", () => {
  const many = Array.from(
    { length: 300 },
    (_, i) => [`h${i % 7}`, i % 5 === 0 ? null : `${i}`] as const,
  );
  assertEquals(written(messageOf(many)), many);
});

Deno.test("toRecord() writes the headers that a flow has changed, and the rest unchanged", () => {
  const message = messageOf(HEADERS);
  const changed = { ...message, headers: { ...message.headers, trace: ["7f"], second: "new" } };
  assertEquals(
    written(changed),
    [...HEADERS.with(2, ["second", "new"]), ["trace", "7f"]],
  );
  const { first: _, ...without } = message.headers;
  const removed = { ...message, headers: without };
  assertEquals(written(removed), HEADERS.filter(([name]) => name !== "first"));
});

Deno.test("toRecord() writes all new values of a repeated header at its first place", () => {
  const message = messageOf([["hop", "a"], ["x", "1"], ["hop", "b"]]);
  const longer = { ...message, headers: { ...message.headers, hop: ["a", "b", "c"] } };
  assertEquals(written(longer), [["hop", "a"], ["hop", "b"], ["hop", "c"], ["x", "1"]]);
  const swapped = { ...message, headers: { ...message.headers, hop: ["b", "a"] } };
  assertEquals(written(swapped), [["hop", "b"], ["hop", "a"], ["x", "1"]]);
});

Deno.test("toRecord() accepts an ordered list of headers without an object", () => {
  const rawHeaders = [["b", "1"], ["a", Buffer.from("2")], ["b", null], ["1", ""]];
  assertEquals(
    written({ value: "v", rawHeaders }),
    [["b", "1"], ["a", "2"], ["b", null], ["1", ""]],
  );
});

for (
  const rawHeaders of [
    null,
    {},
    "a=b",
    [["a"]],
    [[1, "b"]],
    [["a", "b", "c"]],
    new Map([["a", ""]]),
  ]
) {
  Deno.test(`toRecord() refuses ${Deno.inspect(rawHeaders)} as a list of headers`, () => {
    assertStringIncludes(
      refusal({ value: "v", rawHeaders }),
      "a record's rawHeaders must be an array of [name, value] pairs; got ",
    );
  });
}

Deno.test("toRecord() refuses a value in a list of headers that is neither bytes nor text", () => {
  assertStringIncludes(
    refusal({ value: "v", rawHeaders: [["h", 1]] }),
    `a record's header "h" must be bytes, text or null; got 1`,
  );
});

Deno.test("toRecord() writes a header by any name, without touching a prototype", () => {
  const names = ["__proto__", "constructor", "toString"].map((name) => [name, name] as const);
  assertEquals(written(messageOf(names)), names);
  const message = messageOf(names);
  const changed = Object.assign(Object.create(null), message.headers, { constructor: "new" });
  assertEquals(written({ ...message, headers: changed }), names.with(1, ["constructor", "new"]));
});

for (
  const timestamp of [
    -1,
    -2,
    -62_135_596_800_000, // the year 1
    Number.MIN_SAFE_INTEGER,
    1_764_300_000_000_000, // microseconds
    1_764_300_000_000_000_000, // nanoseconds
    2 ** 63, // the latest, as a number
    -(2 ** 63),
  ]
) {
  Deno.test(`a record of the time ${timestamp} is written with that time`, () => {
    const record = make(messageOf([], timestamp));
    const expected = Math.min(timestamp, 2 ** 63 - 1024);
    assertEquals(readBack([record]).map((read) => read.timestamp), [expected]);
  });
}

Deno.test("times that are far apart are kept in one batch", () => {
  const times = [NOW, -1, 1_764_300_000_000_000_000, -1, NOW, 0, -62_135_596_800_000];
  const records = times.map((timestamp) => make(messageOf([], timestamp)));
  assertEquals(readBack(records).map(({ timestamp }) => timestamp), times);
});

Deno.test("a header without a value, and a name that begins with a byte order mark, are read back", () => {
  const headers: Header[] = [["\uFEFFname", null], ["", ""]];
  const [read] = readBack([make(messageOf(headers))]);
  assertEquals(read.headers.map(([name, value]) => [name, value?.length]), [
    ["\uFEFFname", undefined],
    ["", 0],
  ]);
});
