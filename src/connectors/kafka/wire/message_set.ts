/**
 * Messages in the formats before Kafka 0.11. Brokers keep them in old segments, and send them
 * unchanged.
 *
 * ```text
 *   offset int64 │ size int32 │ crc uint32 │ magic int8 = 0 or 1 │ attributes int8
 *   timestamp int64 (format 1 only) │ keyLength int32 │ key │ valueLength int32 │ value
 * ```
 *
 * A compressed message wraps others. Its value is the compressed set of them, and its offset is
 * that of the last. In format 1, the offsets inside are relative to the first. (Kafka's protocol
 * guide, "Message Set"; KIP-31 and KIP-32.) They are turned into batches of today's format, so that
 * all other code knows only that.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { codecOf } from "../compression/compression.ts";
import { encodeRecordBatch, type WireRecord } from "./write_batch.ts";
import { xxhash32 } from "../compression/xxhash32.ts";

/** A message. */
export interface OldMessage {
  readonly magic: 0 | 1;
  readonly offset: number;
  readonly attributes: number;
  /** -1 in format 0, which has none. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** Where the parts of a message begin. */
const SIZE = 8;
const CRC = 12;
const MAGIC = 16;
const ATTRIBUTES = 17;
const FIELDS = 18;

/** The attribute of a message whose timestamp is the time of the broker. */
const APPEND_TIME = 0x08;

/** Old messages have no producer id, epoch or sequence. */
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

/**
 * Reads the message from `start` to `end`.
 *
 * @param verify Whether to compute its checksum.
 * @throws {Error} If it is damaged.
 */
export function readMessage(
  bytes: Buffer,
  start: number,
  end: number,
  verify: boolean,
): OldMessage {
  const from = bytes.subarray(start, end);
  if (from.length < FIELDS) {
    throw new Error("a message in a format before Kafka 0.11 is damaged: it is too short");
  }
  const offset = Number(from.readBigInt64BE(0));
  const magic = from[MAGIC];
  if (magic !== 0 && magic !== 1) throw damaged(offset, `its format is ${magic}`);
  if (verify && crc32(from.subarray(MAGIC)) !== from.readUInt32BE(CRC)) {
    throw damaged(offset, "its checksum is wrong");
  }
  let at = FIELDS;
  const data = (): Uint8Array | null => {
    if (at + 4 > from.length) throw damaged(offset, "it is too short");
    const length = from.readInt32BE(at);
    at += 4;
    if (length < 0) return null;
    if (at + length > from.length) throw damaged(offset, "it is too short");
    at += length;
    return new Uint8Array(from.buffer, from.byteOffset + at - length, length);
  };
  let timestamp = -1;
  if (magic === 1) {
    if (at + 8 > from.length) throw damaged(offset, "it is too short");
    timestamp = Number(from.readBigInt64BE(at));
    at += 8;
  }
  const [key, value] = [data(), data()];
  if (at !== from.length) throw damaged(offset, "it is longer than its key and value");
  return { magic, offset, attributes: from[ATTRIBUTES], timestamp, key, value };
}

/** Whether a message wraps others. */
export function isWrapper({ attributes }: OldMessage): boolean {
  return codecOf(attributes) !== "none";
}

/** When the broker appended a message, if its timestamp is that time. */
export function appendTimeOf({ attributes, timestamp }: OldMessage): number | null {
  return (attributes & APPEND_TIME) !== 0 ? timestamp : null;
}

/**
 * The compressed set of a wrapper.
 *
 * @throws {Error} If it has none.
 */
export function compressedSet({ magic, offset, attributes, value }: OldMessage): Uint8Array {
  if (value === null) throw damaged(offset, "it is compressed and empty");
  return magic === 0 && codecOf(attributes) === "lz4" ? withHeaderChecksum(value) : value;
}

/**
 * The messages in a wrapper, with their offsets.
 *
 * @param set The wrapper's set, unpacked.
 * @throws {Error} If it is not a whole set.
 */
export function messagesIn(
  wrapper: { magic: 0 | 1; offset: number },
  set: Uint8Array,
): OldMessage[] {
  const bytes = Buffer.from(set.buffer, set.byteOffset, set.length);
  const { magic, offset } = wrapper;
  const messages: OldMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + CRC <= bytes.length ? at + CRC + bytes.readInt32BE(at + SIZE) : Infinity;
    if (end <= at || end > bytes.length) throw damaged(offset, "what it wraps is cut off");
    const message = readMessage(bytes, at, end, false); // the wrapper's checksum covers it
    if (isWrapper(message)) throw damaged(offset, "it wraps a message that is compressed again");
    messages.push(message);
    at = end;
  }
  const last = messages.at(-1);
  if (last === undefined) throw damaged(offset, "it wraps nothing");
  const base = magic === 1 ? offset - last.offset : 0;
  let before = -1;
  for (const message of messages) {
    if (message.offset <= before) throw damaged(offset, "the offsets in it do not increase");
    before = message.offset;
  }
  if (base + last.offset !== offset || base + messages[0].offset < 0) {
    throw damaged(offset, "the offsets in it do not fit its own");
  }
  return messages.map((message) => ({ ...message, offset: base + message.offset }));
}

/** The same messages in batches of today's format: one for each run of offsets without a gap. */
export function asBatches(messages: readonly OldMessage[]): Buffer[] {
  const batches: Buffer[] = [];
  for (let from = 0; from < messages.length;) {
    let to = from + 1;
    while (to < messages.length && messages[to].offset === messages[to - 1].offset + 1) to++;
    const records = messages.slice(from, to).map(({ key, value, timestamp }): WireRecord => ({
      key,
      value,
      headers: [],
      timestamp,
    }));
    const batch = encodeRecordBatch(records, NO_PRODUCER);
    batch.writeBigInt64BE(BigInt(messages[from].offset), 0);
    batches.push(batch);
    from = to;
  }
  return batches;
}

/**
 * In format 0, clients computed the checksum of an LZ4 frame's header over too many bytes. So it
 * proves nothing, and a copy gets the right one.
 */
function withHeaderChecksum(frame: Uint8Array): Uint8Array {
  const DESCRIPTOR = 4;
  const HAS_SIZE = 0x08;
  const end = DESCRIPTOR + 2 + ((frame[DESCRIPTOR] & HAS_SIZE) !== 0 ? 8 : 0);
  if (end >= frame.length) return frame;
  const copy = Uint8Array.from(frame);
  copy[end] = (xxhash32(copy, DESCRIPTOR, end) >>> 8) & 0xff;
  return copy;
}

function damaged(offset: number, why: string): Error {
  return new Error(
    `the message at offset ${offset}, in a format before Kafka 0.11, is damaged: ${why}`,
  );
}
