/**
 * Which worker owns a key: `key → key group → worker`.
 *
 * Decides where state lives, also between runs, so it is the same in every process, on every machine
 * and in every version:
 *
 * 1. The hash is FNV-1a with 32 bits over the key's UTF-16 code units (Fowler, Noll, Vo, "The FNV
 *    Non-Cryptographic Hash Algorithm", draft-eastlake-fnv; for ASCII the same as over its bytes),
 *    finished with `fmix32` of MurmurHash3 (Appleby), since the low bits of FNV alone spread badly.
 * 2. The key group is the hash modulo {@linkcode KEY_GROUPS}.
 * 3. Worker `w` of `n` owns the groups `g` with `floor(g * n / KEY_GROUPS) = w`: a range, as in
 *    Apache Flink, so that another number of workers moves whole ranges.
 *
 * @module
 */
import type { WorkerIndex } from "./ids.ts";

/** How many groups there are: the most workers that can share the keys of a step. */
export const KEY_GROUPS = 1024;

/** The group that a key belongs to: an integer from 0 to {@linkcode KEY_GROUPS} minus one. */
export function keyGroupOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & (KEY_GROUPS - 1);
}

/** The owner of each group, for so many workers: an index into it is a group. */
export function ownersOf(workerCount: number): readonly WorkerIndex[] {
  return Array.from(
    { length: KEY_GROUPS },
    (_, group) => Math.floor(group * workerCount / KEY_GROUPS),
  );
}
