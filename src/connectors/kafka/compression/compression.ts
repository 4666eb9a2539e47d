/**
 * The codecs of record batches. Each reads all that Kafka's clients write, and stops at a limit:
 * what was sent to a topic decides how much it inflates to, and must not decide how much memory we
 * take.
 *
 * Snappy and LZ4 are code of ours, as Deno has neither. Gzip runs on a thread of Deno's where
 * nobody waits for it yet. Zstandard is unpacked on this one: the form of `node:zlib` in Deno 2.9
 * that does not block may fail where nobody can catch it, and settle nothing.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import {
  constants,
  gunzip,
  gunzipSync,
  gzip,
  type ZlibOptions,
  zstdCompress,
  zstdDecompressSync,
  type ZstdOptions,
} from "node:zlib";
import { type Codec, LimitError } from "./codec.ts";
import { compressLz4, decompressLz4 } from "./lz4.ts";
import { compressSnappy, decompressSnappy } from "./snappy.ts";
import { zstdFrames } from "./zstd_frames.ts";

export type { Codec };

/** What stands for each codec in a batch's attributes. */
export const CODEC_BITS: Readonly<Record<Codec, number>> = {
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
};

const CODECS = Object.keys(CODEC_BITS) as readonly Codec[];

/** The bits of a batch's attributes that say it. */
export const CODEC_MASK = 7;

/** Levels, where a codec has them. -1 is gzip's own word for its default. */
const LEVELS: Readonly<Partial<Record<Codec, readonly [least: number, most: number]>>> = {
  gzip: [1, 9],
  zstd: [1, 22],
};

/**
 * How much `node:zlib` asks its codec for at a time: its own 16 KiB would make a trip to a thread
 * each.
 */
const LEAST_CHUNK = 64;
const MOST_CHUNK: number = 1 << 20;

/** How many times larger records are, mostly, than compressed. */
const EXPECTED_EXPANSION = 5;

const asyncGzip = promisify(gzip);
const asyncZstd = promisify(zstdCompress);

/** What `node:zlib` returns where it is asked for `info`, which its types leave out. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** Says how much of the input it has used. */
  readonly engine: { readonly bytesWritten: number };
}
type Inflate<O> = (packed: Uint8Array, options: O & { info: true }) => Inflated;
const inflateGzip = gunzipSync as unknown as Inflate<ZlibOptions>;
const inflateZstd = zstdDecompressSync as unknown as Inflate<ZstdOptions>;
const inflateGzipAhead = promisify(gunzip) as unknown as (
  ...args: Parameters<Inflate<ZlibOptions>>
) => Promise<Inflated>;

/**
 * The codec that a batch's attributes tell.
 *
 * @throws {Error} If no codec has that number.
 */
export function codecOf(attributes: number): Codec {
  const bits = attributes & CODEC_MASK;
  if (bits < CODECS.length) return CODECS[bits];
  throw new Error(
    `a record batch is compressed with codec ${bits}, which Kafka does not have: ` +
      `it was damaged, or written by something newer`,
  );
}

/**
 * Checks a level of compression; `undefined` is the codec's default.
 *
 * @throws {RangeError} If the codec does not have it.
 */
function checkLevel(codec: Codec, level: number | undefined): void {
  if (level === undefined || (codec === "gzip" && level === -1)) return;
  const levels = LEVELS[codec];
  if (levels === undefined) throw new RangeError(`${codec} has no levels; got ${level}`);
  const [least, most] = levels;
  if (Number.isInteger(level) && level >= least && level <= most) return;
  const orDefault = codec === "gzip" ? ", or -1 for its default" : "";
  throw new RangeError(`${codec} has levels from ${least} to ${most}${orDefault}; got ${level}`);
}

/**
 * Compresses records; `none` gives back the same array. The bytes must stay as they are until it is
 * done.
 *
 * @throws {RangeError} If the codec does not have that level.
 */
export async function compress(
  codec: Codec,
  bytes: Uint8Array,
  level?: number,
): Promise<Uint8Array> {
  checkLevel(codec, level);
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return await asyncGzip(bytes, { level, chunkSize: chunkSize(bytes.length, MOST_CHUNK) });
    case "snappy":
      return compressSnappy(plain(bytes));
    case "lz4":
      return compressLz4(plain(bytes));
    case "zstd":
      return await asyncZstd(bytes, {
        params: level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level },
        chunkSize: chunkSize(bytes.length, MOST_CHUNK),
      });
  }
}

/**
 * The most bytes that a batch may unpack to. Kafka itself sets no bound, and a few bytes can claim
 * gigabytes.
 */
export const LARGEST_UNPACKED = 256 << 20;

/**
 * Decompresses records, to `maxBytes` at most: gzip on another thread, everything else at once. The
 * bytes must stay as they are until it is done.
 *
 * @throws {Error} As {@linkcode decompressNow}.
 */
export async function decompress(
  codec: Codec,
  bytes: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  if (codec !== "gzip") return decompressNow(codec, bytes, maxBytes);
  checkLimit(maxBytes);
  try {
    return inflated(
      codec,
      bytes,
      maxBytes,
      await inflateGzipAhead(bytes, inflating(bytes, maxBytes)),
    );
  } catch (error) {
    throw undone(codec, maxBytes, error);
  }
}

/**
 * Decompresses records, to `maxBytes` at most, while everything else waits: a megabyte takes some
 * milliseconds.
 *
 * No codec compresses nothing to no bytes: where `bytes` is empty, something was cut off. What a
 * codec without a checksum makes of damaged bytes may be wrong; the batch's checksum is there to
 * tell.
 *
 * @throws {Error} If they would be more, or the bytes are not what the codec makes, or more than
 * that. Names the codec.
 */
export function decompressNow(codec: Codec, bytes: Uint8Array, maxBytes: number): Uint8Array {
  checkLimit(maxBytes);
  try {
    switch (codec) {
      case "none":
        if (bytes.length > maxBytes) throw new LimitError(codec, maxBytes);
        return bytes;
      case "gzip":
        return inflated(codec, bytes, maxBytes, inflateGzip(bytes, inflating(bytes, maxBytes)));
      case "snappy":
        return decompressSnappy(plain(bytes), maxBytes);
      case "lz4":
        return decompressLz4(plain(bytes), maxBytes);
      case "zstd":
        return decompressZstd(bytes, maxBytes);
    }
  } catch (error) {
    throw undone(codec, maxBytes, error);
  }
}

function checkLimit(maxBytes: number): void {
  if (Number.isSafeInteger(maxBytes) && maxBytes >= 0) return;
  throw new RangeError(`a limit must be a whole number of bytes; got ${maxBytes}`);
}

function decompressZstd(packed: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const { start, end, contentBytes } of zstdFrames(packed)) {
    // Also what `node:zlib` would find out, but not before it has made that much.
    if (size + (contentBytes ?? 0) > maxBytes) throw new LimitError("zstd", maxBytes);
    const frame = packed.subarray(start, end);
    const left = maxBytes - size;
    const { buffer: part } = inflateZstd(frame, inflating(frame, left));
    if (part.length > left) throw new LimitError("zstd", maxBytes);
    if (contentBytes !== null && part.length !== contentBytes) {
      throw new Error(`a frame makes ${part.length} bytes, but claims ${contentBytes}`);
    }
    size += part.length;
    parts.push(part);
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function inflating(packed: Uint8Array, maxBytes: number) {
  return {
    maxOutputLength: Math.max(1, maxBytes), // a limit of 0 is refused
    chunkSize: chunkSize(EXPECTED_EXPANSION * packed.length, maxBytes),
    info: true as const,
  };
}

/** Behind a zero, zlib takes the rest for padding, and drops it without a word. */
function inflated(
  codec: Codec,
  packed: Uint8Array,
  maxBytes: number,
  { buffer, engine }: Inflated,
): Uint8Array {
  if (buffer.length > maxBytes) throw new LimitError(codec, maxBytes);
  const left = packed.length - engine.bytesWritten;
  if (left !== 0) throw new Error(`${left} bytes follow its end`);
  return buffer;
}

/** The error for records that could not be decompressed. */
function undone(codec: Codec, maxBytes: number, error: unknown): Error {
  if (error instanceof LimitError) return error;
  if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
    return new LimitError(codec, maxBytes);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(`cannot decompress records with ${codec}: ${reason}`, { cause: error });
}

/** One byte more than the limit is enough to see that it is passed. */
function chunkSize(expectedBytes: number, maxBytes: number): number {
  return Math.max(LEAST_CHUNK, Math.min(expectedBytes, MOST_CHUNK, maxBytes + 1));
}

/** The same bytes without the methods of a Node buffer, whose `subarray` takes twice as long. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
