import { assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import type { ItemError, KafkaOutputItem } from "millrace";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import type { RefusedRecord } from "../../../../src/connectors/kafka/wire/produce.ts";
import type { OutgoingRecord } from "../../../../src/connectors/kafka/write/to_record.ts";
import {
  refusedRecord,
  tooLargeRecord,
} from "../../../../src/connectors/kafka/write/refused_record.ts";

const INVALID_RECORD = 87;
const INVALID_TIMESTAMP = 32;
const NOW = Date.UTC(2026, 10, 25);

function record(overrides: Partial<OutgoingRecord> = {}): OutgoingRecord {
  const key = Buffer.from("k");
  const item = ["k", "v"] as const;
  return {
    key,
    value: null,
    headers: [],
    timestamp: NOW,
    partition: 3,
    bytes: 50,
    item,
    ...overrides,
  };
}

function refusal(records: readonly OutgoingRecord[], code: number, refused: RefusedRecord[] = []) {
  const error = errorOfCode(code);
  return refusedRecord(records, { topic: "orders", partition: 3, error, refused });
}

/** The message of the error that users see. */
const text = (error: ItemError | null) => (error!.cause as Error).message;

Deno.test("refusedRecord() names the record that the broker names, with its reason and the cure", () => {
  const records = [record(), record({ key: null, item: [null, "keyless"] }), record()];
  const error = refusal(records, INVALID_RECORD, [{ index: 1, reason: "It has no key." }]);
  assertStrictEquals(error!.item, records[1].item);
  assertEquals(
    text(error),
    `topic "orders", partition 3 does not accept a record (key null, timestamp ${NOW}: ` +
      `2026-11-25T00:00:00.000Z): It has no key (INVALID_RECORD): a topic with ` +
      `cleanup.policy=compact accepts only records with a key: give it one`,
  );
});

Deno.test("refusedRecord() says what a timestamp means, even if it is too large for a date", () => {
  const records = [record({ timestamp: NOW * 1e6 })];
  const message = text(refusal(records, INVALID_TIMESTAMP, [{ index: 0, reason: null }]));
  assertStringIncludes(message, `(key bytes "k", timestamp ${NOW * 1e6}: too large for a date): `);
  assertStringIncludes(message, "The timestamp of the message is out of acceptable range");
  assertStringIncludes(message, "timestamps are milliseconds since 1970");
  assertStringIncludes(message, "message.timestamp.after.max.ms");
});

Deno.test("refusedRecord() names the origin of a message that was read", () => {
  const item = { value: null, topic: "from", partition: 2, offset: 17n } as KafkaOutputItem;
  assertStringIncludes(
    text(refusal([record({ item })], INVALID_RECORD)),
    `, read from topic "from", partition 2, offset 17)`,
  );
});

Deno.test("refusedRecord() tells how many others of the batch were refused", () => {
  const refused = [0, 1, 2].map((index) => ({ index, reason: "bad" }));
  assertStringIncludes(
    text(refusal([record(), record(), record()], INVALID_RECORD, refused)),
    "), and 2 more of the same batch: bad (INVALID_RECORD): ",
  );
});

Deno.test("refusedRecord() finds the record of a batch of one, and no other", () => {
  const only = record();
  assertStrictEquals(refusal([only], INVALID_TIMESTAMP)!.item, only.item);
  assertEquals(refusal([record(), record()], INVALID_TIMESTAMP), null);
  // A number that is not in the batch identifies no record.
  const wrong = [{ index: 2, reason: "bad" }, { index: -1, reason: "bad" }];
  assertEquals(refusal([record(), record()], INVALID_RECORD, wrong), null);
});

Deno.test("tooLargeRecord() tells which part of a record is large", () => {
  const large = record({
    key: Buffer.alloc(5_000),
    value: Buffer.alloc(20),
    headers: [[Buffer.from("h"), Buffer.alloc(9)], [Buffer.from("none"), null]],
    bytes: 5_100,
  });
  assertEquals(
    text(tooLargeRecord(large, "orders", new Error("too large"))),
    'a record with a payload of 20 bytes is larger than topic "orders" accepts: raise its ' +
      "max.message.bytes, or make the record smaller (about 5100 bytes in all: a key of 5000, " +
      "headers of 14)",
  );
  assertStringIncludes(
    text(tooLargeRecord(large, "orders")),
    `larger than "message.max.bytes" allows: raise it, or make the record smaller`,
  );
});
