/**
 * Reads the records of a batch, one by one.
 *
 * Everything is checked. Each record has to end where its length tells, and offsets have to
 * increase within those of the batch. The last record has to end where the batch ends. A checksum
 * finds damage that came later, but not the faults of a writer that computed it.
 *
 * @module
 */
import { decodeAnyUtf8 } from "../../../core/utf8.ts";
import type { LogBatch, LogRecord } from "./read_batch.ts";
import { damagedBatch, type DamageError } from "./damage.ts";

/**
 * The least bytes of a record: its length, attributes, two deltas, two lengths and number of
 * headers.
 */
const LEAST_RECORD = 7;
const LEAST_HEADER = 2;

/** The length of a key or value that is absent. */
const NULL = -1;

/** Reads the records of one batch, in order. */
export class RecordCursor {
  readonly #batch: LogBatch;
  readonly #bytes: Uint8Array;
  readonly #withHeaders: boolean;
  readonly #lastDelta: number;
  #at = 0;
  #read = 0;
  #delta = -1; // the offset delta of the record before

  /**
   * @param bytes The batch's records, unpacked.
   * @throws {DamageError} If there cannot be as many records as the batch claims.
   */
  constructor(batch: LogBatch, bytes: Uint8Array, withHeaders: boolean) {
    this.#batch = batch;
    this.#bytes = bytes;
    this.#withHeaders = withHeaders;
    this.#lastDelta = batch.lastOffset - batch.baseOffset;
    const { count } = batch;
    if (count * LEAST_RECORD > bytes.length || (count === 0 && bytes.length > 0)) {
      throw this.#damaged(`it has ${bytes.length} bytes for ${count} records`);
    }
  }

  /** Whether all have been read. */
  get done(): boolean {
    return this.#read >= this.#batch.count;
  }

  /**
   * The next record.
   *
   * @throws {DamageError} If the bytes are not a record, or not the expected one.
   */
  read(): LogRecord {
    const { baseOffset, baseTimestamp, appendTimestamp } = this.#batch;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < LEAST_RECORD - 1 || end > this.#bytes.length) {
      throw this.#damaged(`record ${this.#read} has a length of ${length}`);
    }
    this.#at++; // attributes: none are in use
    const timestamp = baseTimestamp + this.#varint();
    const delta = this.#varint();
    if (delta <= this.#delta || delta > this.#lastDelta) {
      throw this.#damaged(`record ${this.#read} is at offset ${baseOffset + delta}`);
    }
    this.#delta = delta;
    const key = this.#data(end);
    const value = this.#data(end);
    const headers = this.#headers(end);
    if (this.#at !== end) throw this.#damaged(`record ${this.#read} does not end where it says`);
    if (++this.#read === this.#batch.count && end !== this.#bytes.length) {
      throw this.#damaged(`${this.#bytes.length - end} bytes follow its last record`);
    }
    return {
      offset: baseOffset + delta,
      timestamp: appendTimestamp ?? timestamp,
      key,
      value,
      headers,
    };
  }

  #headers(end: number): LogRecord["headers"] {
    const count = this.#varint();
    if (count === 0) return NO_HEADERS;
    if (count < 0 || count * LEAST_HEADER > end - this.#at) {
      throw this.#damaged(`record ${this.#read} has ${count} headers`);
    }
    if (!this.#withHeaders) {
      for (let i = 0; i < 2 * count; i++) this.#skip(end);
      return NO_HEADERS;
    }
    const headers: [name: string, value: Uint8Array | null][] = [];
    for (let i = 0; i < count; i++) {
      const name = this.#data(end);
      if (name === null) throw this.#damaged(`record ${this.#read} has a header without a name`);
      headers.push([decodeAnyUtf8(name, 0, name.length), this.#data(end)]);
    }
    return headers;
  }

  #data(end: number): Uint8Array | null {
    const length = this.#skip(end);
    if (length === NULL) return null;
    const bytes = this.#bytes;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + this.#at - length, length);
  }

  /** Skips bytes with their length, and returns that length. */
  #skip(end: number): number {
    const length = this.#varint();
    if (length === NULL) return NULL;
    this.#at += length;
    if (length < 0 || this.#at > end) {
      throw this.#damaged(`record ${this.#read} has a part of ${length} bytes`);
    }
    return length;
  }

  /** A zigzag varint of up to 64 bits. It is exact as far as numbers are. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    const isPositive = (byte & 1) === 0; // now, as the sum may not be exact
    let value = byte & 0x7f;
    for (let factor = 0x80;; factor *= 0x80) {
      if (this.#at >= bytes.length || factor > LARGEST_FACTOR) {
        throw this.#damaged(`record ${this.#read} is cut off`);
      }
      byte = bytes[this.#at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return isPositive ? value / 2 : -(value + 1) / 2;
  }

  #damaged(why: string): DamageError {
    return damagedBatch(this.#batch.baseOffset, why);
  }
}

/** The factor of the tenth byte of a varint of 64 bits. */
const LARGEST_FACTOR = 2 ** 63;

const NO_HEADERS: LogRecord["headers"] = Object.freeze([]);
