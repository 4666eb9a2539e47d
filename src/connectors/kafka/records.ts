/**
 * Records out of what users capture.
 *
 * @module
 */
import { ItemError } from "../../core/errors.ts";
import { preview } from "../../core/preview.ts";
import { Buffer, type Message } from "./kafkajs.ts";
import type { KafkaData, KafkaOutputItem, KafkaRecord } from "./output_item.ts";
import { partitionOfKey } from "./partitioner.ts";

/** A record that is ready to be sent. */
export interface OutgoingRecord {
  readonly message: Message;
  readonly partition: number;
  /** About what it takes on the wire. */
  readonly bytes: number;
  /** What the user captured, for errors. */
  readonly item: KafkaOutputItem;
}

/** What a record takes on the wire beside its key, value and headers, at most. */
const OVERHEAD = 32;

/** Where records without key and partition go. */
export interface Partitioning {
  /** How many partitions the topic has. */
  readonly count: number;
  /** Where records without a key go for now, so that they travel in large batches. */
  readonly keyless: number;
}

/**
 * Makes a record of an item.
 *
 * @throws {ItemError} If it is nothing that can be one; says what is wrong.
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
  const bytes = OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  return { message: { key, value }, partition, bytes, item };
}

function objectToRecord(
  item: KafkaRecord,
  topic: string,
  partitioning: Partitioning,
): OutgoingRecord {
  if (typeof item !== "object" || item === null || !("value" in item)) throw notARecord(item);
  if (item.topic !== undefined && item.topic !== topic) {
    throw new TypeError(
      `a record's topic must be the output's, "${topic}"; got ${preview(item.topic)} ` +
        `(use one KafkaOutputConfig for each topic, behind a branch; and leave out the topic of ` +
        `records that were read from another)`,
    );
  }
  const key = toBytes("key", item.key ?? null);
  const value = toBytes("value", item.value);
  const headers = toHeaders(item.headers);
  const partition = item.partition === undefined
    ? choose(key, partitioning)
    : checkPartition(item.partition, partitioning.count);
  const headerBytes = headers === null ? 0 : headers.bytes;
  const message: Message = { key, value };
  if (headers !== null) message.headers = headers.values;
  if (item.timestamp !== undefined) message.timestamp = toTimestamp(item.timestamp);
  const bytes = OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes;
  return { message, partition, bytes, item };
}

function notARecord(item: unknown): TypeError {
  return new TypeError(
    `KafkaOutputConfig takes [key, payload] pairs or objects { key, value, … }; got ${
      preview(item)
    }`,
  );
}

function choose(key: Buffer | null, { count, keyless }: Partitioning): number {
  return key === null ? keyless : partitionOfKey(key, count);
}

function toBytes(what: string, data: unknown): Buffer | null {
  if (data === null) return null;
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return asBuffer(data);
  throw new TypeError(
    `a record's ${what} must be bytes, text or null; got ${preview(data)} ` +
      `(use json.encode or text.encode)`,
  );
}

/** The same bytes, not a copy, as the kind that KafkaJS asks for. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function toHeaders(
  headers: KafkaRecord["headers"],
): { values: Record<string, Buffer[]>; bytes: number } | null {
  if (headers === undefined) return null;
  // A `Map` or `Headers` has no own properties: what is in it would be lost.
  if (typeof headers !== "object" || headers === null || Symbol.iterator in headers) {
    throw new TypeError(`a record's headers must be an object; got ${preview(headers)}`);
  }
  const values: Record<string, Buffer[]> = Object.create(null);
  let bytes = 0;
  for (const [name, given] of Object.entries(headers)) {
    const list: readonly unknown[] = Array.isArray(given) ? given : [given];
    values[name] = list.map((value) => {
      const data = toBytes(`header "${name}"`, value);
      if (data === null) throw new TypeError(`a record's header "${name}" must not be null`);
      bytes += data.length + name.length * 3 + 10;
      return data;
    });
  }
  return { values, bytes };
}

/** KafkaJS sorts timestamps as text, which is right for 13 digits only: the years 2001 to 2286. */
function toTimestamp(timestamp: unknown): string {
  if (
    typeof timestamp !== "number" || !Number.isInteger(timestamp) ||
    timestamp < 1e12 || timestamp >= 1e13
  ) {
    throw new TypeError(
      `a record's timestamp must be milliseconds since the Unix epoch, in the years 2001 to 2286; ` +
        `got ${preview(timestamp)}`,
    );
  }
  return String(timestamp);
}

function checkPartition(partition: unknown, count: number): number {
  if (!Number.isInteger(partition) || (partition as number) < 0 || (partition as number) >= count) {
    throw new RangeError(
      `a record's partition must be a whole number from 0 to ${count - 1}; got ${
        preview(partition)
      }`,
    );
  }
  return partition as number;
}
