/**
 * A block of LZ4, which is a list of sequences:
 *
 * ```text
 *   token │ more of the literals' length … │ literals
 *   distance 16 bits │ more of the match's length …
 * ```
 *
 * The token has four bits of each length; 15 means that more follow. The last sequence ends after
 * its literals. (lz4/lz4, "LZ4 Block Format Description".)
 *
 * @module
 */
import { copyBytes, repeatBytes } from "./copy_bytes.ts";
import { findMatches, matches, SHORTEST_MATCH } from "./lz_matches.ts";

/** How many bytes a block can grow by if it cannot be compressed. */
export function mostGrowth(size: number): number {
  return Math.ceil(size / 255) + 16;
}

/**
 * Compresses the bytes from `start` to `end`. Returns where the block ends in `to`, which must have
 * room.
 *
 * @param view All of `bytes`.
 */
export function writeBlock(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): number {
  const count = findMatches(bytes, view, start, end);
  let from = start;
  for (let i = 0; i < count; i += 3) {
    const literals = matches[i];
    const more = matches[i + 1] - SHORTEST_MATCH;
    const token = at;
    at = writeLiterals(bytes, from, literals, to, at);
    to[at++] = matches[i + 2] & 0xff;
    to[at++] = matches[i + 2] >>> 8;
    to[token] |= more < 15 ? more : 15;
    if (more >= 15) at = writeLength(more - 15, to, at);
    from += literals + matches[i + 1];
  }
  return writeLiterals(bytes, from, end - from, to, at);
}

/** Writes literals, and a token without its lower half. */
function writeLiterals(
  bytes: Uint8Array,
  start: number,
  count: number,
  to: Uint8Array,
  at: number,
): number {
  to[at++] = (count < 15 ? count : 15) << 4;
  if (count >= 15) at = writeLength(count - 15, to, at);
  copyBytes(bytes, start, count, to, at);
  return at + count;
}

function writeLength(length: number, to: Uint8Array, at: number): number {
  let rest = length;
  for (; rest >= 255; rest -= 255) to[at++] = 255;
  to[at++] = rest;
  return at;
}

/** Where a block is decompressed to. */
export interface Target {
  readonly start: number;
  /** Matches may reach back to here. */
  readonly window: number;
  /** No byte is written from here on. */
  readonly limit: number;
}

/**
 * Decompresses a block. Returns where its bytes end, or -1 if they would exceed the limit.
 *
 * @throws {Error} If it is not a valid LZ4 block.
 */
export function readBlock(
  packed: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  { start: first, window, limit }: Target,
): number {
  let from = start;
  let at = first;
  for (;;) {
    if (from >= end) throw new Error("a block has no end");
    const token = packed[from++];
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (from >= end) throw new Error("a literal is cut off");
        more = packed[from++];
        literals += more;
      } while (more === 255);
    }
    if (from + literals > end) throw new Error("a literal is cut off");
    if (at + literals > limit) return -1;
    copyBytes(packed, from, literals, to, at);
    from += literals;
    at += literals;
    if (from === end) return at;
    if (from + 2 > end) throw new Error("a match is cut off");
    const distance = packed[from] | (packed[from + 1] << 8);
    from += 2;
    let count = (token & 15) + SHORTEST_MATCH;
    if (count === 15 + SHORTEST_MATCH) {
      let more: number;
      do {
        if (from >= end) throw new Error("a match is cut off");
        more = packed[from++];
        count += more;
      } while (more === 255);
    }
    if (distance === 0 || distance > at - window) {
      throw new Error("a match is of bytes before what may be repeated");
    }
    if (at + count > limit) return -1;
    repeatBytes(to, at, distance, count);
    at += count;
  }
}
