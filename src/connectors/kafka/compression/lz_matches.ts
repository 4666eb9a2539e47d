/**
 * Finds repetitions in a block of bytes, for the compressors of Snappy and LZ4. The two formats
 * differ in how they write repetitions, not in how these are found.
 *
 * It works like both reference implementations. A table maps hashes of four bytes to where these
 * were last seen. Each position is looked up once, and the first repetition is used. The longer
 * nothing is found, the larger the steps become.
 *
 * Why own code? The packages would need more code around them than they contain. lz4js writes
 * frames that Kafka refuses, and checks no checksum and no distance. It also accepts what is cut
 * off or exceeds its limit. snappyjs does not know the frame that Java's client puts around Snappy.
 *
 * @module
 */

/** The most bytes in a block. Positions in it, and the distances between them, fit 16 bits. */
export const MOST_BLOCK_BYTES: number = 1 << 16;

/** The shortest repetition that is found. */
export const SHORTEST_MATCH = 4;

/** LZ4 requires literals at the end of a block, and no match that begins in the last 12 bytes. */
const LAST_LITERALS = 5;
const LAST_MATCH = 12;

const HASH_BITS = 14;
/** 2³² divided by the golden ratio spreads products well over the upper bits (Knuth 6.4). */
const HASH_FACTOR = 0x9e3779b1;

/** After this number of misses, as a power of two, the steps grow by one. */
const PATIENCE_BITS = 6;

/** The last position of each hash, from the start of the block. */
const seen = new Uint16Array(1 << HASH_BITS);

/**
 * The results of `findMatches`, three numbers each: how many literals precede the match, how long
 * it is, and how far back it refers. All calls share one array, as they never overlap. A new one
 * for each block would cost more than the search.
 */
export const matches: Int32Array = new Int32Array(3 * MOST_BLOCK_BYTES / SHORTEST_MATCH);

/**
 * Finds matches in the block from `start` to `end`. It reads no bytes outside of it.
 *
 * @param view All of `bytes`.
 * @returns How many numbers it wrote to `matches`.
 */
export function findMatches(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): number {
  seen.fill(0); // an empty slot means the first position, where looking is harmless
  let count = 0;
  let literals = start; // what is in no match yet begins here
  let misses = 0;
  for (let at = start + 1; at <= end - LAST_MATCH;) {
    const word = view.getInt32(at, true);
    const slot = hash(word);
    let from = start + seen[slot];
    seen[slot] = at - start;
    if (view.getInt32(from, true) !== word) {
      at += 1 + (misses++ >> PATIENCE_BITS);
      continue;
    }
    misses = 0;
    const matchEnd = endOfMatch(bytes, view, from + 4, at + 4, end - LAST_LITERALS);
    while (at > literals && from > start && bytes[at - 1] === bytes[from - 1]) {
      at--;
      from--;
    }
    matches[count] = at - literals;
    matches[count + 1] = matchEnd - at;
    matches[count + 2] = at - from;
    count += 3;
    literals = at = matchEnd;
    seen[hash(view.getInt32(at - 2, true))] = at - 2 - start;
  }
  return count;
}

function hash(word: number): number {
  return Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
}

/** How far the bytes at `at` equal those at `from`. It compares four at a time. */
function endOfMatch(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  at: number,
  limit: number,
): number {
  while (at + 4 <= limit) {
    const difference = view.getInt32(from, true) ^ view.getInt32(at, true);
    // The lowest different bit is in the first different byte.
    if (difference !== 0) return at + ((31 - Math.clz32(difference & -difference)) >> 3);
    from += 4;
    at += 4;
  }
  while (at < limit && bytes[from] === bytes[at]) {
    from++;
    at++;
  }
  return at;
}
