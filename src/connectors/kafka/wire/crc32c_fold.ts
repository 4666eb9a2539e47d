/**
 * Shortens the bytes that a CRC-32C is computed of: some six times as fast as tables take them in.
 *
 * Bytes stand for a polynomial over GF(2), and a CRC is its remainder. A multiple of the divisor
 * can be added anywhere and changes no remainder. One of CRC-32C's has six terms only:
 *
 * ```text
 * x^209 + x^144 + x^54 + x^39 + x^14 + 1
 * ```
 *
 * So a bit may become zero where the bits 65, 155, 170, 195 and 209 behind it are flipped if it was
 * one. A polynomial's square has the same terms with twice the exponents. So the same holds for
 * bytes, and for groups of four: no tables, only XOR, 16 bytes at a time. What is left at the end
 * is as long as the multiple reaches. Groups of four are faster, as more of them are aligned, and
 * leave 836 bytes; of these, single bytes leave 209. (After Russell 2024, "Chorba: A novel CRC32
 * implementation", arXiv 2412.16398, which does so for another divisor.)
 *
 * @module
 */
import { foldModule } from "./crc32c_wasm.ts";

/** The distances at which bits are flipped. */
const DISTANCES = [65, 155, 170, 195, 209] as const;
const REACH = 209;

/** Sizes of groups, in bytes, one after the other. */
const UNITS = [4, 1] as const;

/** What one pass takes in at least, in bytes. */
const STEP = 64;

/** Fewer bytes than this are not worth it. */
export const LEAST_FOLDED = 512;

/** Before the bytes are zeros, as far as the multiple reaches. */
const START = Math.ceil(UNITS[0] * REACH / STEP) * STEP;

/** A part that fits into the fastest cache, and what is left of the one before. */
const MOST = (32 << 10) + START + STEP;

/** Where the end of the bytes is kept meanwhile. */
const REST = START + MOST;

/**
 * XORs what is at `from` with what is at each distance before `at`, and writes it at `to`: 64 bytes
 * at a time, until `at` has come to `end`.
 */
type Pass = (at: number, end: number, from: number, to: number) => void;

const memory = new WebAssembly.Memory({ initial: Math.ceil((REST + START + 2 * STEP) / 65_536) });
const room = new Uint8Array(memory.buffer);
const passes: Pass[] = [];

/** Takes a millisecond or two: only those who need it pay for that. */
function compile(): void {
  for (const unit of UNITS) {
    const module = foldModule(DISTANCES.map((distance) => distance * unit));
    const { exports } = new WebAssembly.Instance(module, { "": { memory } });
    passes.push(exports.pass as Pass);
  }
}

/**
 * Fewer bytes with the same remainder, in memory that is used again by the next call.
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

/** Folds what is at the start, and returns how long it is then. */
function shorten(pass: Pass, reach: number, length: number): number {
  const folded = (length - reach) & -STEP;
  if (folded <= 0) return length;
  const from = START + folded;
  const end = START + length;
  pass(START, from, START, START);
  // What is left takes in what was folded, but nothing of itself: that stays.
  room.copyWithin(REST, from, end);
  room.fill(0, from, end);
  pass(from, end, REST, REST);
  room.copyWithin(START, REST, REST + length - folded);
  return length - folded;
}
