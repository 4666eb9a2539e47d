/**
 * Writes changes of keys into blocks, within an open transaction.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { keyHashOf } from "../../core/key_groups.ts";
import {
  type BlockRow,
  checkBlock,
  type Entries,
  firstPlace,
  MAX_BLOCK_BYTES,
  readBlock,
  sizeOf,
  writeBlock,
} from "./block.ts";

/** The last change of each key; `null` for a forgotten one. */
export type KeyChanges = Map<string, Uint8Array | null>;

/** Writes blocks. */
export class BlockWriter {
  readonly #find: StatementSync;
  readonly #after: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  #digest: number;

  /** `digest` is that of the blocks that are there. */
  constructor(db: DatabaseSync, digest: number) {
    this.#find = db.prepare(
      "SELECT place, crc, keys, states FROM block WHERE place <= ? AND place >= ? " +
        "ORDER BY place DESC LIMIT 1",
    );
    this.#after = db.prepare(
      "SELECT place FROM block WHERE place > ? AND place < ? ORDER BY place LIMIT 1",
    );
    this.#put = db.prepare("REPLACE INTO block VALUES (?, ?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM block WHERE place = ?");
    this.#digest = digest;
  }

  /** The digest of all blocks as they are now. */
  get digest(): number {
    return this.#digest;
  }

  /**
   * Writes the changes of a step. It calls `pause` after each block.
   *
   * @throws {DamageError} If the stored blocks are damaged.
   */
  async write(
    step: number,
    changes: KeyChanges,
    pause: () => Promise<void> | undefined,
  ): Promise<void> {
    const first = firstPlace(step);
    const sorted = inOrder([...changes.keys()], (key) => key);
    for (let i = 0; i < sorted.length;) {
      const found = this.#find.get(first + sorted[i].hash, first) as unknown as
        | BlockRow
        | undefined;
      if (found !== undefined) checkBlock(found);
      const place = found?.place ?? first;
      const next = this.#after.get(place, firstPlace(step + 1))?.place as number | undefined;
      const end = next === undefined ? Infinity : next - first;
      const entries: Entries = found === undefined ? new Map() : readBlock(found);
      for (; i < sorted.length && sorted[i].hash < end; i++) {
        const key = sorted[i].value;
        const state = changes.get(key)!;
        if (state === null) entries.delete(key);
        else entries.set(key, state);
      }
      this.#replace(found, first, place, entries);
      const paused = pause();
      if (paused !== undefined) await paused;
    }
  }

  #replace(found: BlockRow | undefined, first: number, place: number, entries: Entries): void {
    if (found !== undefined) this.#digest = (this.#digest ^ found.crc) >>> 0;
    if (entries.size === 0) {
      if (found !== undefined) this.#delete.run(place);
      return;
    }
    let at = place;
    for (const [hash, part] of partsOf(entries)) {
      if (hash !== null) at = first + hash;
      const { crc, keys, states } = writeBlock(at, part);
      this.#put.run(at, crc, keys, states);
      this.#digest = (this.#digest ^ crc) >>> 0;
    }
  }
}

/**
 * Splits entries that are too large for one block. Each part but the first comes with the hash that
 * it begins at. Keys of the same hash stay together.
 */
function partsOf(entries: Entries): [number | null, Entries][] {
  let size = 0;
  for (const [key, state] of entries) size += sizeOf(key, state);
  if (size <= MAX_BLOCK_BYTES || entries.size === 1) return [[null, entries]];
  let part: Entries = new Map();
  const parts: [number | null, Entries][] = [[null, part]];
  let bytes = 0;
  let last = -1;
  for (const { hash, value: [key, state] } of inOrder([...entries], ([key]) => key)) {
    const own = sizeOf(key, state);
    // Parts are filled by half, so that they have room to grow.
    const isFull = bytes > 0 && bytes + own > MAX_BLOCK_BYTES / 2;
    if (isFull && hash !== last) {
      part = new Map();
      parts.push([hash, part]);
      bytes = 0;
    }
    part.set(key, state);
    bytes += own;
    last = hash;
  }
  return parts;
}

/** Returns values by the hashes of their keys. */
function inOrder<T>(
  values: readonly T[],
  keyOf: (value: T) => string,
): { hash: number; value: T }[] {
  return values.map((value) => ({ hash: keyHashOf(keyOf(value)), value }))
    .sort((a, b) => a.hash - b.hash);
}
