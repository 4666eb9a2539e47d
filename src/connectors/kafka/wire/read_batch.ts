/**
 * Record batches as they come from the broker: found and checked, but without their records.
 *
 * The records are read (`record_cursor.ts`) when the flow asks for them, so that bytes wait and not
 * objects. (KafkaJS decodes each record into several objects at once, and overflows the stack on
 * batches of more than some 125,000 records.) `write_batch.ts` describes the format.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32c } from "./crc32c.ts";
import { damagedBatch, DamageError } from "./damage.ts";
import {
  appendTimeOf,
  asBatches,
  compressedSet,
  isWrapper,
  messagesIn,
  type OldMessage,
  readMessage,
} from "./message_set.ts";

/** A batch whose records have not been read. */
export interface LogBatch {
  readonly baseOffset: number;
  /** The offset of its last record. Records at the end may have been compacted away. */
  readonly lastOffset: number;
  /** The lowest three bits are the codec of the records. */
  readonly attributes: number;
  readonly isTransactional: boolean;
  /** Whether it holds a marker that ends a transaction, instead of data. */
  readonly isControl: boolean;
  readonly producerId: bigint;
  readonly baseTimestamp: number;
  /** When the broker wrote it, if that is what the topic keeps; else `null`. */
  readonly appendTimestamp: number | null;
  readonly count: number;
  /** The records, as they are stored. */
  readonly records: Buffer;
  /**
   * The format, if it is one before Kafka 0.11. Then the records are a set of old messages, whose
   * number and content are known only after unpacking. {@linkcode unwrap} makes batches of it.
   */
  readonly oldFormat?: 0 | 1;
}

/** A record that has been read. */
export interface LogRecord {
  readonly offset: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Names with their values, in order. Empty unless they were requested. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
}

/** Bytes of a batch up to its length, its format and its records. */
const LENGTH_END = 12;
const FORMAT_END = 17;
const HEADER = 61;

/** A message of format 0 without key and value. */
const LEAST_MESSAGE = 26;

const APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/**
 * The whole batches in what was fetched, up to a damaged one, as those before it can be read. The
 * last one may have been cut off by the requested size.
 *
 * @param verify Whether to compute each batch's checksum.
 * @throws {Error} If the first batch is damaged, or its format is newer than those known.
 */
export function readBatches(bytes: Buffer, verify: boolean): LogBatch[] {
  const batches: LogBatch[] = [];
  for (let at = 0; at + FORMAT_END <= bytes.length;) {
    try {
      const end = endOfBatch(bytes, at);
      if (end > bytes.length) break;
      if (bytes[at + 16] < 2) batches.push(...oldBatches(readMessage(bytes, at, end, verify)));
      else batches.push(readBatch(bytes, at, end, verify));
      at = end;
    } catch (error) {
      if (batches.length === 0) throw error;
      break;
    }
  }
  return batches;
}

/** Where the batch at `at` ends. That may be after the last byte that came. */
function endOfBatch(bytes: Buffer, at: number): number {
  const length = bytes.readInt32BE(at + 8);
  const magic = bytes[at + 16];
  const least = magic < 2 ? LEAST_MESSAGE : magic === 2 ? HEADER : FORMAT_END;
  if (length >= least - LENGTH_END) return at + LENGTH_END + length;
  // Also if it is cut off, as it would be requested again and again.
  throw damagedBatch(Number(bytes.readBigInt64BE(at)), `it has a length of ${length}`);
}

/** The batch from `at` to `end`. */
function readBatch(bytes: Buffer, at: number, end: number, verify: boolean): LogBatch {
  const magic = bytes[at + 16];
  if (magic > 2) {
    throw new DamageError(
      `records of message format ${magic} cannot be read: 2 is the newest known`,
    );
  }
  const baseOffset = Number(bytes.readBigInt64BE(at));
  if (verify && crc32c(bytes, at + 21, end) !== bytes.readUInt32BE(at + 17)) {
    throw damagedBatch(
      baseOffset,
      'its checksum is wrong (to read it as it is, set the property "check.crcs" to false)',
    );
  }
  const attributes = bytes.readInt16BE(at + 21);
  const lastDelta = bytes.readInt32BE(at + 23);
  const count = bytes.readInt32BE(at + 57);
  // Compaction removes records, so there may be fewer records than offsets.
  if (lastDelta < 0 || count < 0 || count > lastDelta + 1) {
    throw damagedBatch(
      baseOffset,
      `it says that it has ${count} records up to ${lastDelta} after its first`,
    );
  }
  return {
    baseOffset,
    lastOffset: baseOffset + lastDelta,
    attributes,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    producerId: bytes.readBigInt64BE(at + 43),
    baseTimestamp: Number(bytes.readBigInt64BE(at + 27)),
    appendTimestamp: (attributes & APPEND_TIME) !== 0
      ? Number(bytes.readBigInt64BE(at + 35))
      : null,
    count,
    records: bytes.subarray(at + HEADER, end),
  };
}

/** An old message as a batch. A message that wraps others becomes a batch for `unwrap`. */
function oldBatches(message: OldMessage): LogBatch[] {
  const appendTimestamp = appendTimeOf(message);
  if (!isWrapper(message)) {
    return fromBytes(asBatches([message]), appendTimestamp);
  }
  const set = compressedSet(message);
  return [{
    baseOffset: 0, // its real value is known after unpacking
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
 * The batches within an unpacked batch of an old format. A batch of today's format is returned
 * itself.
 *
 * @param bytes The batch's records, unpacked.
 * @throws {Error} If they are not a set of messages.
 */
export function unwrap(
  batch: LogBatch,
  bytes: Uint8Array,
): { readonly batch: LogBatch; readonly bytes: Uint8Array }[] {
  const { oldFormat: magic, lastOffset: offset, appendTimestamp } = batch;
  if (magic === undefined) return [{ batch, bytes }];
  const batches = fromBytes(asBatches(messagesIn({ magic, offset }, bytes)), appendTimestamp);
  return batches.map((each) => ({ batch: each, bytes: each.records }));
}

function fromBytes(batches: readonly Buffer[], appendTimestamp: number | null): LogBatch[] {
  return batches.flatMap((bytes) => readBatches(bytes, false))
    .map((batch) => ({ ...batch, appendTimestamp }));
}
