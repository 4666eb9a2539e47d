/**
 * The codecs of record batches. Each reads everything that Kafka's clients write, and stops at a
 * limit. The writer of a topic decides how far a batch inflates, and must not decide how much
 * memory we use.
 *
 * Snappy and LZ4 are our own code, as Deno has neither. Gzip runs on one of Deno's threads if
 * nobody waits for it yet. Zstandard is always unpacked on this thread. The asynchronous form of
 * `node:zlib` in Deno 2.9 may throw where nobody can catch it, and never settle.
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

/** The bits of each codec in a batch's attributes. */
export const CODEC_BITS: Readonly<Record<Codec, number>> = {
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
};

const CODECS = Object.keys(CODEC_BITS) as readonly Codec[];

/** The bits of a batch's attributes that hold the codec. */
export const CODEC_MASK = 7;

/** Levels of those codecs that have them. In gzip, -1 means its default. */
const LEVELS: Readonly<Partial<Record<Codec, readonly [least: number, most: number]>>> = {
  gzip: [1, 9],
  zstd: [1, 22],
};

/**
 * The least size of the chunks in which `node:zlib` produces output. Each of its default 16 KiB
 * would need a trip to a thread.
 */
const LEAST_CHUNK = 64;
const MOST_CHUNK: number = 1 << 20;

/** How many times larger records usually are than compressed. */
const EXPECTED_EXPANSION = 5;

const asyncGzip = promisify(gzip);
const asyncZstd = promisify(zstdCompress);

/** What `node:zlib` returns if it is asked for `info`, which its types leave out. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** How much of the input it has used. */
  readonly engine: { readonly bytesWritten: number };
}
type Inflate<O> = (packed: Uint8Array, options: O & { info: true }) => Inflated;
const inflateGzip = gunzipSync as unknown as Inflate<ZlibOptions>;
const inflateZstd = zstdDecompressSync as unknown as Inflate<ZstdOptions>;
const inflateGzipAhead = promisify(gunzip) as unknown as (
  ...args: Parameters<Inflate<ZlibOptions>>
) => Promise<Inflated>;

/**
 * The codec in a batch's attributes.
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
 * Checks a compression level; `undefined` is the codec's default.
 *
 * @throws {RangeError} If the codec does not have that level.
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
 * Compresses records; `none` returns the same array. The bytes must not change until it is done.
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
 * The most bytes that a batch may unpack to. Kafka itself sets no limit, and a few bytes can claim
 * gigabytes.
 */
export const LARGEST_UNPACKED = 256 << 20;

/**
 * Decompresses records, to `maxBytes` at most: gzip on another thread, everything else at once. The
 * bytes must not change until it is done.
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
 * Decompresses records, to `maxBytes` at most, and blocks meanwhile. A megabyte takes some
 * milliseconds.
 *
 * No codec compresses nothing to no bytes, so empty `bytes` mean that something was cut off. A
 * codec without a checksum may make wrong data of damaged bytes; the batch's checksum detects that.
 *
 * @throws {Error} If they would be more, the bytes are not valid for the codec, or others follow.
 * Names the codec.
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
    // `node:zlib` would also notice, but only after it has made that much.
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

/** After a zero byte, zlib takes the rest for padding, and drops it silently. */
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

/** One byte more than the limit is enough to notice that it is exceeded. */
function chunkSize(expectedBytes: number, maxBytes: number): number {
  return Math.max(LEAST_CHUNK, Math.min(expectedBytes, MOST_CHUNK, maxBytes + 1));
}

/** The same bytes without the methods of a Node buffer, whose `subarray` takes twice as long. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
