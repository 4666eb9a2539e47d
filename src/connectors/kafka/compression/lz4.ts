/**
 * LZ4 frames.
 *
 * ```text
 *   frame: magic 04 22 4d 18 │ flags │ block size code │ content size 64 bits? │ header checksum │
 *          blocks … │ 00 00 00 00 │ content checksum?
 *   block: size, whose highest bit says "not compressed" │ contents │ checksum?
 * ```
 *
 * Integers are little-endian. (lz4/lz4, "LZ4 Frame Format Description" 1.6.) We write what Java's
 * client can read, which is not everything: blocks that do not refer to each other. We read
 * everything but dictionaries.
 *
 * Why own code: lz4js 0.2 checks no checksum, and accepts content that is cut off or exceeds its
 * limit. `lz_matches.ts` explains why it cannot write for Kafka either. Native packages need
 * `--allow-ffi`. Speed is not the reason. On a megabyte of JSON lines, this compresses at 1.0 to
 * 1.5 times the speed of lz4js. It decompresses at 0.7 to 1.1 times (2026-11, Deno 2.9.6).
 *
 * @module
 */
import { counted } from "../../../core/counted.ts";
import { LimitError } from "./codec.ts";
import { mostGrowth, readBlock, writeBlock } from "./lz4_block.ts";
import { MOST_BLOCK_BYTES } from "./lz_matches.ts";
import { xxhash32 } from "./xxhash32.ts";

const MAGIC = 0x184d2204;
/** Frames with these 16 magic numbers have no content, and are skipped. */
const SKIPPABLE = 0x184d2a50;

const VERSION = 0x40;
const VERSION_MASK = 0xc0;
const INDEPENDENT_BLOCKS = 0x20;
const BLOCK_CHECKSUMS = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const RESERVED = 0x02;
const DICTIONARY = 0x01;

/** Codes of block sizes, from 4 for 64 KiB to 7 for 4 MiB. Each is four times the one before. */
const CODE_64_KIB = 4;
const LARGEST_CODE = 7;

const NOT_COMPRESSED = 0x80000000;

/** A byte of a block makes at most 255 bytes. Content that claims more is forged. */
const MOST_EXPANSION = 255;

/** How many times larger records usually are than compressed. */
const EXPECTED_EXPANSION = 4;

/**
 * Compresses to one frame, like those of Java's client: blocks of 64 KiB, no checksums of content.
 */
export function compressLz4(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = Math.ceil(bytes.length / MOST_BLOCK_BYTES);
  const packed = new Uint8Array(7 + bytes.length + (4 + mostGrowth(MOST_BLOCK_BYTES)) * blocks + 4);
  const packedView = new DataView(packed.buffer);
  packedView.setUint32(0, MAGIC, true);
  packed[4] = VERSION | INDEPENDENT_BLOCKS;
  packed[5] = CODE_64_KIB << 4;
  packed[6] = headerChecksum(packed, 4, 6);
  let at = 7;
  for (let start = 0; start < bytes.length; start += MOST_BLOCK_BYTES) {
    const end = Math.min(start + MOST_BLOCK_BYTES, bytes.length);
    const blockEnd = writeBlock(bytes, view, start, end, packed, at + 4);
    if (blockEnd - at - 4 < end - start) {
      packedView.setUint32(at, blockEnd - at - 4, true);
      at = blockEnd;
    } else {
      packedView.setUint32(at, end - start + NOT_COMPRESSED, true);
      packed.set(bytes.subarray(start, end), at + 4);
      at += 4 + end - start;
    }
  }
  packedView.setUint32(at, 0, true); // the end
  return packed.subarray(0, at + 4);
}

function headerChecksum(bytes: Uint8Array, start: number, end: number): number {
  return (xxhash32(bytes, start, end) >>> 8) & 0xff;
}

/**
 * Decompresses all frames.
 *
 * @throws {LimitError} If they would make more than `maxBytes`; then no more is decompressed.
 * @throws {Error} If the bytes are not LZ4 frames, cut off, or do not have their checksums.
 */
export function decompressLz4(packed: Uint8Array, maxBytes: number): Uint8Array {
  const decoder = new Decoder(packed, maxBytes);
  do decoder.readFrame(); while (!decoder.ended);
  return decoder.bytes();
}

class Decoder {
  readonly #packed: Uint8Array;
  readonly #view: DataView;
  readonly #maxBytes: number;
  #from = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(packed: Uint8Array, maxBytes: number) {
    this.#packed = packed;
    this.#view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    this.#maxBytes = maxBytes;
  }

  get ended(): boolean {
    return this.#from === this.#packed.length;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  readFrame(): void {
    const magic = this.#uint32("a frame's magic number");
    if ((magic & ~0xf) === SKIPPABLE) {
      this.#skip(this.#uint32("the size of a skippable frame"), "a skippable frame");
      return;
    }
    if (magic !== MAGIC) throw new Error(`a frame begins with ${magic.toString(16)}`);
    const { flags, blockBytes, contentBytes } = this.#readHeader();
    const frameStart = this.#at;
    while (this.#readBlock(flags, blockBytes, frameStart));
    if (contentBytes !== null && contentBytes !== this.#at - frameStart) {
      throw new Error(
        `a frame makes ${counted(this.#at - frameStart, "byte")}, but claims ${contentBytes}`,
      );
    }
    if ((flags & CONTENT_CHECKSUM) !== 0) {
      const checksum = this.#uint32("the checksum of the content");
      if (xxhash32(this.#bytes, frameStart, this.#at) !== checksum) {
        throw new Error("the checksum of the content is wrong");
      }
    }
  }

  #readHeader(): { flags: number; blockBytes: number; contentBytes: number | null } {
    const start = this.#from;
    this.#skip(2, "a frame's header");
    const flags = this.#packed[start];
    const code = this.#packed[start + 1] >>> 4;
    const hasSize = (flags & CONTENT_SIZE) !== 0;
    if (hasSize) this.#skip(8, "a frame's header");
    if ((flags & DICTIONARY) !== 0) this.#skip(4, "a frame's header");
    this.#skip(1, "a frame's header");
    if (this.#packed[this.#from - 1] !== headerChecksum(this.#packed, start, this.#from - 1)) {
      throw new Error("the checksum of a frame's header is wrong");
    }
    if ((flags & VERSION_MASK) !== VERSION || (flags & RESERVED) !== 0) {
      throw new Error("a frame is of an unknown version");
    }
    if ((flags & DICTIONARY) !== 0) throw new Error("a frame needs a dictionary");
    if (code < CODE_64_KIB || code > LARGEST_CODE || (this.#packed[start + 1] & 0x8f) !== 0) {
      throw new Error("a frame has blocks of an unknown size");
    }
    const contentBytes = hasSize ? this.#claimedSize(start + 2) : null;
    return { flags, blockBytes: 1 << (2 * code + 8), contentBytes };
  }

  #claimedSize(at: number): number {
    const size = this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
    if (this.#at + size > this.#maxBytes) throw new LimitError("lz4", this.#maxBytes);
    if (size > (this.#packed.length - this.#from) * MOST_EXPANSION) {
      throw new Error(`a frame claims ${counted(size, "byte")}, more than it can make`);
    }
    this.#reserve(size);
    return size;
  }

  /** Reads a block. Returns `false` at the mark after the last block. */
  #readBlock(flags: number, blockBytes: number, frameStart: number): boolean {
    const field = this.#uint32("the size of a block");
    if (field === 0) return false;
    const size = field & ~NOT_COMPRESSED;
    if (size > blockBytes) {
      throw new Error(`a block has ${counted(size, "byte")}, more than its frame allows`);
    }
    const start = this.#from;
    this.#skip(size, "a block");
    if ((flags & BLOCK_CHECKSUMS) !== 0) {
      const checksum = this.#uint32("the checksum of a block");
      if (xxhash32(this.#packed, start, start + size) !== checksum) {
        throw new Error("the checksum of a block is wrong");
      }
    }
    const stored = field >= NOT_COMPRESSED;
    const most = stored ? size : Math.min(size * MOST_EXPANSION, blockBytes);
    const room = Math.min(most, this.#maxBytes - this.#at);
    this.#reserve(room);
    if (stored) {
      if (size > room) throw new LimitError("lz4", this.#maxBytes);
      this.#bytes.set(this.#packed.subarray(start, start + size), this.#at);
      this.#at += size;
      return true;
    }
    const end = readBlock(this.#packed, start, start + size, this.#bytes, {
      start: this.#at,
      // A match may reach back within its block, or within its frame if blocks are linked.
      window: (flags & INDEPENDENT_BLOCKS) !== 0 ? this.#at : frameStart,
      limit: this.#at + room,
    });
    if (end < 0) {
      throw room < most
        ? new LimitError("lz4", this.#maxBytes)
        : new Error("a block makes too many bytes");
    }
    this.#at = end;
    return true;
  }

  /** Makes room for `count` more bytes, and for the likely rest. */
  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const expected = Math.max(2 * this.#bytes.length, EXPECTED_EXPANSION * this.#packed.length);
    const bytes = new Uint8Array(Math.max(needed, Math.min(expected, this.#maxBytes)));
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bytes;
  }

  #uint32(what: string): number {
    this.#skip(4, what);
    return this.#view.getUint32(this.#from - 4, true);
  }

  #skip(count: number, what: string): void {
    if (count > this.#packed.length - this.#from) throw new Error(`${what} is cut off`);
    this.#from += count;
  }
}
