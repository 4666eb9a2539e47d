/**
 * Makes records from what users capture.
 *
 * @module
 */
import { didYouMean } from "../../../core/closest_name.ts";
import { ItemError } from "../../../core/errors.ts";
import { preview } from "../../../core/preview.ts";
import { NO_HEADERS, wireHeaders } from "./headers.ts";
import type { KafkaData, KafkaOutputItem, KafkaRecord } from "../output_item.ts";
import type { WireRecord } from "../wire/write_batch.ts";
import { toBytes } from "./to_bytes.ts";

/** A record that is ready to be sent. */
export interface OutgoingRecord extends WireRecord {
  readonly partition: number;
  /** Roughly its size on the wire, in bytes. */
  readonly bytes: number;
  /** What the user captured, for errors. */
  readonly item: KafkaOutputItem;
}

/** The most bytes of a record on the wire, apart from its key, value and headers. */
const OVERHEAD = 32;

/** The most bytes of a header, apart from its name and value. */
const HEADER_OVERHEAD = 10;

/** Roughly the size of a record on the wire, in bytes. */
export function bytesOnWire(
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: WireRecord["headers"],
): number {
  let bytes = OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, data] of headers) {
    bytes += name.length + (data?.length ?? 0) + HEADER_OVERHEAD;
  }
  return bytes;
}

/** The latest time that is a `number` and fits the 64 bits of a record's timestamp. */
const LATEST = 2 ** 63 - 1024;

/** The defaults of records. */
export interface Partitioning {
  /** The time for records without one, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** The partition for a key; `null` for the one of records without a key. */
  readonly partitionOf: (key: Uint8Array | null, count: number) => number | null;
  /** How many partitions the topic has. */
  readonly count: number;
  /** The current partition of records without a key, so that they travel in large batches. */
  readonly keyless: number;
}

/**
 * Makes a record from an item.
 *
 * @throws {ItemError} If it cannot be a record. The message says what is wrong.
 */
export function toRecord(
  item: KafkaOutputItem,
  topic: string,
  partitioning: Partitioning,
): OutgoingRecord {
  try {
    return Array.isArray(item)
      ? pairToRecord(item as readonly [KafkaData, KafkaData], partitioning)
      : objectToRecord(item as KafkaRecord, topic, partitioning);
  } catch (cause) {
    throw new ItemError(item, { cause });
  }
}

function pairToRecord(
  item: readonly [KafkaData, KafkaData],
  partitioning: Partitioning,
): OutgoingRecord {
  if (item.length !== 2) throw notARecord(item);
  const key = toBytes("key", item[0]);
  const value = toBytes("payload", item[1]);
  const partition = choose(key, partitioning);
  const bytes = bytesOnWire(key, value, NO_HEADERS);
  return { key, value, headers: NO_HEADERS, timestamp: partitioning.now, partition, bytes, item };
}

function objectToRecord(
  item: KafkaRecord,
  topic: string,
  partitioning: Partitioning,
): OutgoingRecord {
  if (typeof item !== "object" || item === null || !("value" in item)) throw notARecord(item);
  const asRead = "offset" in item; // then its topic and partition are its origin
  if (!asRead && item.topic !== undefined && item.topic !== topic) {
    throw new TypeError(
      `a record's topic must be the output's, "${topic}"; got ${preview(item.topic)} ` +
        `(use one KafkaOutputConfig for each topic, after a branch)`,
    );
  }
  const key = toBytes("key", item.key ?? null);
  const value = toBytes("value", item.value);
  const headers = wireHeaders(item);
  const partition = asRead || item.partition === undefined
    ? choose(key, partitioning)
    : checkPartition(item.partition, partitioning.count);
  const timestamp = item.timestamp === undefined
    ? partitioning.now
    : checkTimestamp(item.timestamp, asRead);
  const bytes = bytesOnWire(key, value, headers);
  return { key, value, headers, timestamp, partition, bytes, item };
}

/** The fields of a record. `offset` belongs to one that was read, and is not written. */
const FIELDS: readonly (keyof KafkaRecord | "offset")[] = [
  "key",
  "value",
  "headers",
  "rawHeaders",
  "timestamp",
  "partition",
  "topic",
  "offset",
];

/**
 * Refuses an item with an unknown field, as the content of a mistyped field would be lost. Usually,
 * the same code makes all items of a batch, so one of each batch is checked.
 *
 * @throws {ItemError} If there is one. The message names it.
 */
export function requireFields(item: KafkaOutputItem): void {
  if (typeof item !== "object" || item === null || !("value" in item)) return;
  for (const name of Object.keys(item)) {
    if ((FIELDS as readonly string[]).includes(name)) continue;
    const cause = new TypeError(
      `a record for KafkaOutputConfig has no field "${name}"; it has: ` +
        `${FIELDS.slice(0, -1).join(", ")}${didYouMean(name, FIELDS)}`,
    );
    throw new ItemError(item, { cause });
  }
}

function notARecord(item: unknown): TypeError {
  return new TypeError(
    `KafkaOutputConfig accepts [key, payload] pairs or objects { key, value, … }; got ${
      preview(item)
    }`,
  );
}

function choose(key: Uint8Array | null, { partitionOf, count, keyless }: Partitioning): number {
  return partitionOf(key, count) ?? keyless;
}

/**
 * Any time that was read is written. A time that a flow makes is exact, or a mistake such as
 * nanoseconds.
 */
function checkTimestamp(timestamp: unknown, asRead: boolean): number {
  if (Number.isSafeInteger(timestamp)) return timestamp as number;
  if (asRead && Number.isInteger(timestamp)) {
    return Math.max(-(2 ** 63), Math.min(timestamp as number, LATEST));
  }
  throw new TypeError(
    `a record's timestamp must be whole milliseconds since the Unix epoch, or -1 for none; got ${
      preview(timestamp)
    }`,
  );
}

/** A record is for an unknown partition, which may have been added since. */
export class UnknownPartitionError extends RangeError {}

function checkPartition(partition: unknown, count: number): number {
  const isNumber = Number.isInteger(partition) && (partition as number) >= 0;
  if (isNumber && (partition as number) < count) return partition as number;
  const message = `a record's partition must be a whole number from 0 to ${count - 1}; got ${
    preview(partition)
  }`;
  throw isNumber ? new UnknownPartitionError(message) : new RangeError(message);
}
