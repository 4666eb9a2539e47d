/**
 * A record batch, as Kafka stores and sends it (message format 2).
 *
 * ```text
 *   baseOffset int64 │ batchLength int32 │ partitionLeaderEpoch int32 │ magic int8 = 2 │ crc uint32
 *   attributes int16 │ lastOffsetDelta int32 │ baseTimestamp int64 │ maxTimestamp int64
 *   producerId int64 │ producerEpoch int16 │ baseSequence int32 │ count int32 │ records …
 *
 *   record: length varint │ attributes int8 │ timestampDelta varlong │ offsetDelta varint
 *           keyLength varint │ key │ valueLength varint │ value │ headerCount varint │ headers …
 * ```
 *
 * The checksum covers everything from `attributes` on; compression covers the records. (Kafka's
 * protocol guide, "Record Batch".) KafkaJS's encoder makes a zeroed buffer of 512 bytes for each
 * record, which limits its producer to some 110,000 records a second. This one writes into one
 * buffer.
 *
 * @module
 */
import { CODEC_BITS, compress } from "../compression/compression.ts";
import type { Codec } from "../compression/codec.ts";
import { crc32c } from "./crc32c.ts";
import { Buffer } from "node:buffer";

/** A record to be written. */
export interface WireRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Names as UTF-8, in order. A value is `null` if there is none. */
  readonly headers: readonly (readonly [name: Uint8Array, value: Uint8Array | null])[];
  /** Milliseconds since the Unix epoch. They may be before it; -1 means none. */
  readonly timestamp: number;
}

/** The fields of a batch that its caller chooses. */
export interface BatchHeader {
  /** -1 if the producer has no id. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** Whether it belongs to the open transaction of its producer. */
  readonly transactional?: boolean;
}

/** Bytes before the records. */
const HEADER = 61;

/**
 * What a producer sends for the epoch of its partition's leader, which it does not know. The leader
 * overwrites it. Apache Kafka never reads it; other brokers refuse any other value as a corrupt
 * batch.
 */
const NO_LEADER_EPOCH = -1;

/** The attribute of a batch that is part of a transaction. */
const TRANSACTIONAL = 0x10;

/** The most bytes of the fixed parts of a record: two lengths, a delta of 64 bits, and so on. */
const RECORD_OVERHEAD = 40;
const HEADER_OVERHEAD = 10;

/** Up to this many bytes, copying them one by one takes less time than a call. */
const MOST_COPIED = 16;

/** The least bytes for which a batch has room at first. It grows with its records. */
const LEAST_ROOM = 4 << 10;

/** Encodes a batch of at least one record. */
export function encodeRecordBatch(records: readonly WireRecord[], header: BatchHeader): Buffer {
  const writer = new BatchWriter();
  for (const record of records) writer.append(record);
  return writer.finish(header);
}

/** Encodes the records of a batch as they come, so that bytes wait and not objects. */
export class BatchWriter {
  #buffer: Buffer;
  #end = HEADER;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  /** `expected`: how many bytes its records will probably have. */
  constructor(expected = 0) {
    this.#buffer = Buffer.allocUnsafe(Math.max(LEAST_ROOM, HEADER + RECORD_OVERHEAD + expected));
  }

  /** How many records it has. */
  get count(): number {
    return this.#count;
  }

  /** Adds a record. */
  append(record: WireRecord): void {
    const { timestamp } = record;
    if (this.#count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    this.#requireRoom(mostBytes(record));
    const delta = timestamp === this.#baseTimestamp ? 0 : timeDelta(timestamp, this.#baseTimestamp);
    this.#end = writeRecord(this.#buffer, this.#end, record, this.#count++, delta);
  }

  /**
   * The batch of at least one record. It shares its memory with the writer. Call it again only
   * after more records.
   */
  finish(header: BatchHeader): Buffer {
    const buffer = this.#buffer;
    buffer.writeBigInt64BE(0n, 0);
    buffer.writeInt32BE(NO_LEADER_EPOCH, 12);
    buffer.writeInt8(2, 16);
    buffer.writeInt16BE(header.transactional ? TRANSACTIONAL : 0, 21); // not compressed
    buffer.writeInt32BE(this.#count - 1, 23);
    buffer.writeBigInt64BE(BigInt(this.#baseTimestamp), 27);
    buffer.writeBigInt64BE(BigInt(this.#maxTimestamp), 35);
    buffer.writeBigInt64BE(header.producerId, 43);
    buffer.writeInt16BE(header.producerEpoch, 51);
    buffer.writeInt32BE(header.baseSequence, 53);
    buffer.writeInt32BE(this.#count, 57);
    return seal(buffer.subarray(0, this.#end));
  }

  /** Its records, encoded, and the time from which they count theirs. */
  written(): { readonly records: Buffer; readonly baseTimestamp: number } {
    return {
      records: this.#buffer.subarray(HEADER, this.#end),
      baseTimestamp: this.#baseTimestamp,
    };
  }

  #requireRoom(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const larger: Buffer = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }
}

/** The same batch with its records compressed. */
export async function compressBatch(batch: Buffer, codec: Codec, level?: number): Promise<Buffer> {
  const packed = await compress(codec, batch.subarray(HEADER), level);
  const buffer: Buffer = Buffer.concat([batch.subarray(0, HEADER), packed]);
  buffer.writeInt16BE(buffer.readInt16BE(21) | CODEC_BITS[codec], 21);
  return seal(buffer);
}

/** Writes what depends on the whole batch: its length and its checksum. */
function seal(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}

function mostBytes({ key, value, headers }: WireRecord): number {
  let bytes = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, data] of headers) {
    bytes += HEADER_OVERHEAD + name.length + (data?.length ?? 0);
  }
  return bytes;
}

/** Writes a record at `start`, and returns where it ends. */
function writeRecord(
  buffer: Buffer,
  start: number,
  { key, value, headers }: WireRecord,
  offsetDelta: number,
  timestampDelta: number | bigint,
): number {
  let size = 1 + sizeOfDelta(timestampDelta) + sizeOfVarint(offsetDelta) +
    sizeOfBytes(key) + sizeOfBytes(value) + sizeOfVarint(headers.length);
  for (const [name, data] of headers) size += sizeOfBytes(name) + sizeOfBytes(data);
  let at = writeVarint(buffer, start, size);
  buffer[at++] = 0; // attributes: none are in use
  at = writeDelta(buffer, at, timestampDelta);
  at = writeVarint(buffer, at, offsetDelta);
  at = writeBytes(buffer, at, key);
  at = writeBytes(buffer, at, value);
  at = writeVarint(buffer, at, headers.length);
  for (const [name, data] of headers) at = writeBytes(buffer, writeBytes(buffer, at, name), data);
  return at;
}

function sizeOfBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length;
}

function writeBytes(buffer: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) {
    buffer[at] = 1; // -1 as a zigzag varint
    return at + 1;
  }
  const { length } = bytes;
  const start = writeVarint(buffer, at, length);
  if (length > MOST_COPIED) buffer.set(bytes, start);
  else for (let i = 0; i < length; i++) buffer[start + i] = bytes[i];
  return start + length;
}

/** Up to here, a number can be doubled and stays exact. */
const MOST_EXACT = 2 ** 52;

/** A difference of times. It is a bigint if a number would not be exact. */
function timeDelta(timestamp: number, base: number): number | bigint {
  const delta = timestamp - base;
  if (Math.abs(delta) <= MOST_EXACT) return delta;
  return BigInt.asIntN(64, BigInt(timestamp) - BigInt(base));
}

function sizeOfDelta(delta: number | bigint): number {
  if (typeof delta === "number") return sizeOfVarint(delta);
  let size = 1;
  for (let rest = wideZigzag(delta); rest >= 0x80n; rest >>= 7n) size++;
  return size;
}

function writeDelta(buffer: Buffer, start: number, delta: number | bigint): number {
  if (typeof delta === "number") return writeVarint(buffer, start, delta);
  let at = start;
  let rest = wideZigzag(delta);
  for (; rest >= 0x80n; rest >>= 7n) buffer[at++] = Number(rest & 0x7fn) | 0x80;
  buffer[at++] = Number(rest);
  return at;
}

function wideZigzag(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}

/**
 * Zigzag turns small negative numbers into small positive ones: 0, -1, 1, -2 … become 0, 1, 2, 3 ….
 */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

// Arithmetic instead of bits, as a difference of timestamps may need more than 32 bits.

/** Numbers from 0 up to these take one byte and two, and are the most frequent by far. */
const ONE_BYTE = 0x40;
const TWO_BYTES = 0x2000;

function sizeOfVarint(value: number): number {
  if (value >= 0 && value < TWO_BYTES) return value < ONE_BYTE ? 1 : 2;
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  if (value >= 0 && value < TWO_BYTES) {
    if (value >= ONE_BYTE) buffer[at++] = (value << 1 & 0x7f) | 0x80;
    buffer[at++] = value < ONE_BYTE ? value << 1 : value >>> 6;
    return at;
  }
  let rest = zigzag(value);
  while (rest >= 0x80) {
    buffer[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  buffer[at++] = rest;
  return at;
}
