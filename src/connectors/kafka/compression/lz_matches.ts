/**
 * Finds repetitions in a block of bytes, for the compressors of Snappy and LZ4: they differ in how
 * they write repetitions down, not in how they find them.
 *
 * As in both of their reference implementations: a table from hashes of four bytes to where these
 * were last seen, one look at each position, the first repetition found is taken, and the longer
 * nothing is found, the larger the steps become.
 *
 * Own code, as the packages would need more around them than they hold: lz4js writes frames that
 * Kafka refuses, checks no checksum and no distance, and takes what is cut off, or larger than its
 * limit, for whole; snappyjs does not know the frame that Java's client puts around Snappy.
 *
 * @module
 */

/** The most bytes in a block: positions in it, and the distances between them, fit 16 bits. */
export const MOST_BLOCK_BYTES: number = 1 << 16;

/** The shortest repetition that is found. */
export const SHORTEST_MATCH = 4;

/** LZ4 wants the last bytes of a block as literals, and no match to begin in the last 12. */
const LAST_LITERALS = 5;
const LAST_MATCH = 12;

const HASH_BITS = 14;
/** 2³² divided by the golden ratio: products spread well over the upper bits (Knuth 6.4). */
const HASH_FACTOR = 0x9e3779b1;

/** After how many misses, as a power of two, the steps grow by one. */
const PATIENCE_BITS = 6;

/** Where each hash was last seen, from the start of the block. */
const seen = new Uint16Array(1 << HASH_BITS);

/**
 * What `findMatches` has found, three numbers each: how many bytes come before the match that are
 * in no other, how many match, and how far back. One array for all calls, which never overlap: a
 * new one for each block would cost more than the search.
 */
export const matches: Int32Array = new Int32Array(3 * MOST_BLOCK_BYTES / SHORTEST_MATCH);

/**
 * Finds matches in the block from `start` to `end`, which looks at no bytes outside of it.
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

/** How far the bytes at `at` are those at `from`, four at a time. */
function endOfMatch(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  at: number,
  limit: number,
): number {
  while (at + 4 <= limit) {
    const difference = view.getInt32(from, true) ^ view.getInt32(at, true);
    // The lowest bit that differs is in the first byte that does.
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
