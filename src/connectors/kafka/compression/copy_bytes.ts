/**
 * The copying that decompressors and compressors of Snappy and LZ4 consist of. Most copies are
 * short, where a loop is faster than the call of a method.
 *
 * @module
 */

const SHORT = 32;

/** Copies `count` bytes to another array. There must be room. */
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
 * Repeats the `count` bytes that begin `distance` before `at`. Where the distance is shorter, what
 * was just written is repeated too: a distance of 1 is a run of one byte.
 */
export function repeatBytes(bytes: Uint8Array, at: number, distance: number, count: number): void {
  const start = at - distance;
  if (count <= SHORT) {
    for (let i = 0; i < count; i++) bytes[at + i] = bytes[start + i];
    return;
  }
  // Each copy doubles what there is to copy.
  for (let rest = count; rest > 0;) {
    const now = Math.min(rest, at - start);
    bytes.copyWithin(at, start, start + now);
    at += now;
    rest -= now;
  }
}
