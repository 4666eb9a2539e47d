/**
 * CRC-32C (Castagnoli), Kafka's checksum of a record batch.
 *
 * Eight table look-ups process eight bytes at a time, which is several times as fast as one at a
 * time. (Kounavis and Berry 2005, "A Systematic Approach to Building High Performance
 * Software-Based CRC Generators".) Long input is shortened first (`crc32c_fold.ts`). On one machine
 * of 2026, tables alone process 0.7 GB/s. With shortening it is 4 GB/s for batches of 16 KB, and
 * 4.9 GB/s for a megabyte. `hash-wasm`, the fastest library, processes 1.0 to 1.6 GB/s.
 *
 * @module
 */
import { fold, LEAST_FOLDED } from "./crc32c_fold.ts";

const POLYNOMIAL = 0x82f63b78; // reversed
const SLICES = 8;

const TABLES: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: SLICES }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[0][byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < SLICES; slice++) {
      const before = tables[slice - 1][byte];
      tables[slice][byte] = (before >>> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

/** The checksum of `bytes` from `start` up to `end`, as an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (end - start < LEAST_FOLDED) return ~remainder(-1, bytes, start, end) >>> 0;
  const folded = fold(bytes, start, end, -1);
  return ~remainder(0, folded, 0, folded.length) >>> 0;
}

/** The state of the checksum after more bytes. */
function remainder(state: number, bytes: Uint8Array, start: number, end: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  let crc = state;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc = t7[crc & 0xff] ^ t6[(crc >>> 8) & 0xff] ^ t5[(crc >>> 16) & 0xff] ^ t4[crc >>> 24] ^
      t3[bytes[i + 4]] ^ t2[bytes[i + 5]] ^ t1[bytes[i + 6]] ^ t0[bytes[i + 7]];
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 0xff];
  return crc;
}
