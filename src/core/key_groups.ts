/**
 * Which worker owns a key: `key → key group → worker`.
 *
 * This decides where state lives, also between runs. So it is the same in every process, on every
 * machine and in every version:
 *
 * 1. The hash is 32-bit FNV-1a over the key's UTF-16 code units. (Fowler, Noll, Vo, "The FNV
 *    Non-Cryptographic Hash Algorithm", draft-eastlake-fnv; for ASCII it is the same as over its
 *    bytes.) It is finished with `fmix32` of MurmurHash3 (Appleby), since the low bits of FNV alone
 *    spread badly.
 * 2. The key group is the hash modulo {@linkcode KEY_GROUPS}.
 * 3. Worker `w` of `n` owns the groups `g` with `floor(g * n / KEY_GROUPS) = w`. This is a range,
 *    as in Apache Flink, so another number of workers moves whole ranges.
 *
 * @module
 */
import type { WorkerIndex } from "./ids.ts";

/** The number of groups, which is the most workers that can share the keys of a step. */
export const KEY_GROUPS = 1024;

/** Returns the group of a key: an integer from 0 to {@linkcode KEY_GROUPS} minus one. */
export function keyGroupOf(key: string): number {
  return groupOfHash(keyHashOf(key));
}

/** Returns the group of the keys with a hash. */
export function groupOfHash(hash: number): number {
  return hash & (KEY_GROUPS - 1);
}

/** FNV begins with it. */
export const HASH_BASIS = 0x811c9dc5;

/** FNV multiplies with it, after each code unit. */
export const HASH_PRIME = 0x01000193;

/** Returns the hash of a key: an integer from 0 to 2^32 - 1. */
export function keyHashOf(key: string): number {
  let hash = HASH_BASIS;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), HASH_PRIME);
  return finishedHash(hash);
}

/** Returns the hash of a key from what FNV makes of its code units. */
export function finishedHash(fnv: number): number {
  let hash = fnv;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Returns the owner of each group for a number of workers; the index is the group. */
export function ownersOf(workerCount: number): readonly WorkerIndex[] {
  return Array.from(
    { length: KEY_GROUPS },
    (_, group) => Math.floor(group * workerCount / KEY_GROUPS),
  );
}
