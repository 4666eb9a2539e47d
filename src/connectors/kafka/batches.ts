/**
 * Record batches as they come from the broker: found, then read record by record.
 *
 * Reading is put off until the flow asks for the records: what waits is bytes, not objects. (KafkaJS
 * decodes each record into several objects at once, and overflows the stack on batches of more than some
 * 125,000 records.) For the format see `record_batch.ts`.
 *
 * @module
 */
import { Buffer } from "./kafkajs.ts";
import { crc32c } from "./crc32c.ts";
import {
  appendTimeOf,
  asBatches,
  compressedSet,
  isWrapper,
  messagesIn,
  type OldMessage,
  readMessage,
} from "./message_set.ts";

/** A batch, without its records having been looked at. */
export interface StoredBatch {
  readonly baseOffset: number;
  /** Of its last record; those at the end may have been compacted away. */
  readonly lastOffset: number;
  /** Its lowest three bits say how the records are compressed. */
  readonly attributes: number;
  readonly isTransactional: boolean;
  /** Whether it holds a marker that ends a transaction, and no data. */
  readonly isControl: boolean;
  readonly producerId: bigint;
  readonly baseTimestamp: number;
  /** The time that the broker wrote it, where that is what the topic keeps; else `null`. */
  readonly appendTimestamp: number | null;
  readonly count: number;
  /** The records, as they are stored. */
  readonly records: Buffer;
  /**
   * The format, where it is one before Kafka 0.11: then the records are a set of old messages, and what
   * is in it, and how much, is known once it is unpacked. {@linkcode unwrap} makes batches of it.
   */
  readonly oldFormat?: 0 | 1;
}

/** A record that has been read. */
export interface StoredRecord {
  readonly offset: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Names with their values, in order; empty unless they were asked for. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
}

/** Bytes of a batch up to its length, its format and its records. */
const LENGTH_END = 12;
const FORMAT_END = 17;
const HEADER = 61;

const APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/**
 * The whole batches in what was fetched. The last one may have been cut off by the size asked for.
 *
 * @param verify Whether to compute each batch's checksum.
 * @throws {Error} If a batch is damaged, or of a format that is newer than these.
 */
export function readBatches(bytes: Buffer, verify: boolean): StoredBatch[] {
  const batches: StoredBatch[] = [];
  for (let at = 0; at + FORMAT_END <= bytes.length;) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    const magic = bytes[at + 16];
    const baseOffset = Number(bytes.readBigInt64BE(at));
    if (magic < 2) {
      batches.push(...oldBatches(readMessage(bytes, at, end, verify)));
      at = end;
      continue;
    }
    if (magic > 2) {
      throw new Error(`records of message format ${magic} cannot be read: 2 is the newest known`);
    }
    if (end < at + HEADER) {
      throw new Error(`the batch at offset ${baseOffset} is damaged: it is too short`);
    }
    if (verify && crc32c(bytes, at + 21, end) !== bytes.readUInt32BE(at + 17)) {
      throw new Error(`the batch at offset ${baseOffset} is damaged: its checksum is wrong`);
    }
    const attributes = bytes.readInt16BE(at + 21);
    batches.push({
      baseOffset,
      lastOffset: baseOffset + bytes.readInt32BE(at + 23),
      attributes,
      isTransactional: (attributes & TRANSACTIONAL) !== 0,
      isControl: (attributes & CONTROL) !== 0,
      producerId: bytes.readBigInt64BE(at + 43),
      baseTimestamp: Number(bytes.readBigInt64BE(at + 27)),
      appendTimestamp: (attributes & APPEND_TIME) !== 0
        ? Number(bytes.readBigInt64BE(at + 35))
        : null,
      count: bytes.readInt32BE(at + 57),
      records: bytes.subarray(at + HEADER, end),
    });
    at = end;
  }
  return batches;
}

/** An old message as a batch; one that wraps others as a batch that is to be unwrapped. */
function oldBatches(message: OldMessage): StoredBatch[] {
  const appendTimestamp = appendTimeOf(message);
  if (!isWrapper(message)) {
    return fromBytes(asBatches([message]), appendTimestamp);
  }
  const set = compressedSet(message);
  return [{
    baseOffset: 0, // where it begins is known once it is unpacked
    lastOffset: message.offset,
    attributes: message.attributes,
    isTransactional: false,
    isControl: false,
    producerId: -1n,
    baseTimestamp: message.timestamp,
    appendTimestamp,
    count: 1, // or more
    records: Buffer.from(set.buffer, set.byteOffset, set.length),
    oldFormat: message.magic,
  }];
}

/**
 * The batches in a batch of an old format, unpacked; a batch of today's is its own.
 *
 * @param bytes The batch's records, unpacked.
 * @throws {Error} If they are no set of messages.
 */
export function unwrap(
  batch: StoredBatch,
  bytes: Uint8Array,
): { readonly batch: StoredBatch; readonly bytes: Uint8Array }[] {
  const { oldFormat: magic, lastOffset: offset, appendTimestamp } = batch;
  if (magic === undefined) return [{ batch, bytes }];
  const batches = fromBytes(asBatches(messagesIn({ magic, offset }, bytes)), appendTimestamp);
  return batches.map((each) => ({ batch: each, bytes: each.records }));
}

function fromBytes(batches: readonly Buffer[], appendTimestamp: number | null): StoredBatch[] {
  return batches.flatMap((bytes) => readBatches(bytes, false))
    .map((batch) => ({ ...batch, appendTimestamp }));
}

/** The type of the marker in a control batch: whether it aborts its transaction. */
export function isAbortMarker(batch: StoredBatch): boolean {
  const { key } = new RecordCursor(batch, batch.records, false).read();
  return key !== null && key.length >= 4 && key[2] === 0 && key[3] === 0;
}

/** Reads the records of one batch, in order. */
export class RecordCursor {
  readonly #batch: StoredBatch;
  readonly #bytes: Uint8Array;
  readonly #withHeaders: boolean;
  #at = 0;
  #read = 0;

  /** `bytes` are the batch's records, unpacked. */
  constructor(batch: StoredBatch, bytes: Uint8Array, withHeaders: boolean) {
    this.#batch = batch;
    this.#bytes = bytes;
    this.#withHeaders = withHeaders;
  }

  /** Whether all have been read. */
  get done(): boolean {
    return this.#read >= this.#batch.count;
  }

  /**
   * The next record.
   *
   * @throws {Error} If the bytes are no record.
   */
  read(): StoredRecord {
    const { baseOffset, baseTimestamp, appendTimestamp } = this.#batch;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw this.#damaged();
    this.#at++; // attributes: none are in use
    const timestamp = baseTimestamp + this.#varint();
    const offset = baseOffset + this.#varint();
    const key = this.#data(end);
    const value = this.#data(end);
    const headers = this.#withHeaders ? this.#headers(end) : NO_HEADERS;
    this.#at = end;
    this.#read++;
    return { offset, timestamp: appendTimestamp ?? timestamp, key, value, headers };
  }

  #headers(end: number): StoredRecord["headers"] {
    const count = this.#varint();
    if (count <= 0) return NO_HEADERS;
    const headers: [name: string, value: Uint8Array | null][] = [];
    for (let i = 0; i < count; i++) {
      const name = this.#data(end);
      if (name === null) throw this.#damaged();
      headers.push([utf8.decode(name), this.#data(end)]);
    }
    return headers;
  }

  #data(end: number): Uint8Array | null {
    const length = this.#varint();
    if (length < 0) return null;
    const start = this.#at;
    if (start + length > end) throw this.#damaged();
    this.#at = start + length;
    const bytes = this.#bytes;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
  }

  /** A zigzag varint of up to 64 bits, as far as numbers are exact. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    const isPositive = (byte & 1) === 0; // the sum of all may not be exact
    let value = byte & 0x7f;
    for (let factor = 0x80;; factor *= 0x80) {
      if (this.#at >= bytes.length || factor > LARGEST_FACTOR) throw this.#damaged();
      byte = bytes[this.#at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return isPositive ? value / 2 : -(value + 1) / 2;
  }

  #damaged(): Error {
    return new Error(
      `the batch at offset ${this.#batch.baseOffset} is damaged: it holds no records`,
    );
  }
}

/** Of the tenth byte of a varint of 64 bits. */
const LARGEST_FACTOR = 2 ** 63;

const NO_HEADERS: StoredRecord["headers"] = Object.freeze([]);

/** A name may begin with the mark of the byte order: it is part of it. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
