/**
 * Shortens the bytes of a CRC-32C, some six times as fast as tables process them.
 *
 * Bytes stand for a polynomial over GF(2), and a CRC is its remainder. A multiple of the divisor
 * can be added anywhere, and changes no remainder. One multiple of CRC-32C's has only six terms:
 *
 * ```text
 * x^209 + x^144 + x^54 + x^39 + x^14 + 1
 * ```
 *
 * So a bit may be set to zero if it was one and the bits 65, 155, 170, 195 and 209 after it are
 * flipped. The square of a polynomial has the same terms with twice the exponents. So the same
 * holds for bytes, and for groups of four. That needs no tables, only XOR, 16 bytes at a time. The
 * end that is left is as long as the multiple reaches. Groups of four are faster, as more of them
 * are aligned, and leave 836 bytes. Single bytes shorten these to 209. (After Russell 2024,
 * "Chorba: A novel CRC32 implementation", arXiv 2412.16398, which does so for another divisor.)
 *
 * @module
 */
import { foldModule } from "./crc32c_wasm.ts";

/** The distances at which bits are flipped. */
const DISTANCES = [65, 155, 170, 195, 209] as const;
const REACH = 209;

/** Sizes of groups, in bytes. All are used, in this order. */
const UNITS = [4, 1] as const;

/** What one pass processes at least, in bytes. */
const STEP = 64;

/** Fewer bytes than this do not pay. */
export const LEAST_FOLDED = 512;

/** The bytes are preceded by zeros, as far as the multiple reaches. */
const START = Math.ceil(UNITS[0] * REACH / STEP) * STEP;

/** A part that fits into the fastest cache, and the rest of the part before. */
const MOST = (32 << 10) + START + STEP;

/** Where the end of the bytes is kept during a pass. */
const REST = START + MOST;

/**
 * XORs the bytes at `from` with those at each distance before `at`, and writes the result at `to`.
 * It processes 64 bytes at a time, until `at` has reached `end`.
 */
type Pass = (at: number, end: number, from: number, to: number) => void;

const memory = new WebAssembly.Memory({ initial: Math.ceil((REST + START + 2 * STEP) / 65_536) });
const room = new Uint8Array(memory.buffer);
const passes: Pass[] = [];

/** It needs a millisecond or two, which only its users should pay. */
function compile(): void {
  for (const unit of UNITS) {
    const module = foldModule(DISTANCES.map((distance) => distance * unit));
    const { exports } = new WebAssembly.Instance(module, { "": { memory } });
    passes.push(exports.pass as Pass);
  }
}

/**
 * Fewer bytes with the same remainder. Their memory is used again by the next call.
 *
 * @param first What the first four bytes are XORed with, little-endian.
 */
export function fold(bytes: Uint8Array, start: number, end: number, first: number): Uint8Array {
  if (passes.length === 0) compile();
  let length = 0;
  for (let at = start; at < end;) {
    const part = bytes.subarray(at, Math.min(end, at + MOST - length));
    room.set(part, START + length);
    if (at === start) {
      for (let i = 0; i < 4; i++) room[START + i] ^= first >>> (8 * i);
    }
    at += part.length;
    length = shorten(passes[0], UNITS[0] * REACH, length + part.length);
  }
  for (let i = 1; i < UNITS.length; i++) length = shorten(passes[i], UNITS[i] * REACH, length);
  return room.subarray(START, START + length);
}

/** Folds the bytes at the start, and returns how long they are then. */
function shorten(pass: Pass, reach: number, length: number): number {
  const folded = (length - reach) & -STEP;
  if (folded <= 0) return length;
  const from = START + folded;
  const end = START + length;
  pass(START, from, START, START);
  // The rest absorbs what was folded, but is not folded into itself.
  room.copyWithin(REST, from, end);
  room.fill(0, from, end);
  pass(from, end, REST, REST);
  room.copyWithin(START, REST, REST + length - folded);
  return length - folded;
}
