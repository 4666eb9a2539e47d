/**
 * The copying in the compressors and decompressors of Snappy and LZ4. Most copies are short, and
 * then a loop is faster than the call of a method.
 *
 * @module
 */

const SHORT = 32;

/** Copies `count` bytes to another array, which must have room for them. */
export function copyBytes(
  from: Uint8Array,
  start: number,
  count: number,
  to: Uint8Array,
  at: number,
): void {
  if (count > SHORT) {
    to.set(from.subarray(start, start + count), at);
    return;
  }
  for (let i = 0; i < count; i++) to[at + i] = from[start + i];
}

/**
 * Repeats the `count` bytes that begin `distance` before `at`. If the distance is shorter than
 * that, bytes that were just written are repeated too. So a distance of 1 makes a run of one byte.
 */
export function repeatBytes(bytes: Uint8Array, at: number, distance: number, count: number): void {
  const start = at - distance;
  if (count <= SHORT) {
    for (let i = 0; i < count; i++) bytes[at + i] = bytes[start + i];
    return;
  }
  // Each copy doubles the bytes that the next one can copy.
  for (let rest = count; rest > 0;) {
    const now = Math.min(rest, at - start);
    bytes.copyWithin(at, start, start + now);
    at += now;
    rest -= now;
  }
}
