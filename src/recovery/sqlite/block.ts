/**
 * Stored blocks of keys and of their states: see `schema.ts`.
 *
 * @module
 */
import { type Checked, checkedBytes, checkedText, checksumOf, DamageError } from "./checksum.ts";

/** Ids in a block. */
export const BLOCK_IDS = 128;

/** States of more bytes are stored alone, so that a block has at most a few of SQLite's pages. */
export const LARGE_STATE = 128;

const NONE = 0;
const LARGE = 1;
const SHORTEST = 2;

const NOTHING = new Uint8Array();

/** Returns the block that an id belongs to. */
export function blockOf(id: number): number {
  return Math.floor(id / BLOCK_IDS);
}

/** Row ids per step: those of all steps are integers that JavaScript represents exactly. */
const STEP_ROWS = 2 ** 40;

/** Returns the primary key of a block of a step, or of the large state with an id. */
export function rowIdOf(step: number, number: number): number {
  return step * STEP_ROWS + number;
}

/** Returns the block, or the id, that a row id stands for. */
export function numberAt(rowId: number): number {
  return rowId % STEP_ROWS;
}

/** The states of a block, for reading and changing. */
export class StateBlock {
  /** The length of each id's state; -1 for none. */
  readonly lengths: Int32Array = new Int32Array(BLOCK_IDS);
  readonly #from = new Int32Array(BLOCK_IDS);
  readonly #bytes: Uint8Array[] = new Array(BLOCK_IDS).fill(NOTHING);

  /** Removes all states. */
  clear(): void {
    this.lengths.fill(-1);
    this.#bytes.fill(NOTHING);
  }

  /**
   * Reads the states of a stored row.
   *
   * @throws {DamageError} If the row is not what was written.
   */
  read(rowId: number, stored: Checked): void {
    const bytes = checkedBytes("a block of states", rowId, stored);
    let offset = 0;
    for (let slot = 0; slot < BLOCK_IDS; slot++) {
      const kind = offset < bytes.length ? bytes[offset++] : NONE;
      if (kind === NONE) {
        this.lengths[slot] = -1;
      } else if (kind === LARGE) {
        this.lengths[slot] = bytes[offset] * 0x1000000 +
          (bytes[offset + 1] << 16 | bytes[offset + 2] << 8 | bytes[offset + 3]);
        offset += 4;
      } else {
        this.lengths[slot] = kind - SHORTEST;
        this.#from[slot] = offset;
        this.#bytes[slot] = bytes;
        offset += kind - SHORTEST;
      }
    }
    if (offset !== bytes.length) throw new DamageError("a block of states has another length");
  }

  /** Whether there are no states. */
  get isEmpty(): boolean {
    return this.lengths.every((length) => length < 0);
  }

  /** Whether a state is stored alone. */
  isLarge(slot: number): boolean {
    return this.lengths[slot] > LARGE_STATE;
  }

  /** Returns a view of a state that is not large. */
  state(slot: number): Uint8Array {
    const from = this.#from[slot];
    return this.#bytes[slot].subarray(from, from + this.lengths[slot]);
  }

  /**
   * Puts a state that begins at `from` of `bytes`; `bytes` must not change. For a large state, only
   * the length is kept.
   */
  put(slot: number, bytes: Uint8Array, from: number, length: number): void {
    this.lengths[slot] = length;
    this.#bytes[slot] = bytes;
    this.#from[slot] = from;
  }

  /** Returns the block as it is stored in a row. */
  write(rowId: number): Checked<Uint8Array> {
    const to = new Uint8Array(this.#size());
    let offset = 0;
    for (let slot = 0; offset < to.length; slot++) {
      const length = this.lengths[slot];
      if (length < 0) {
        to[offset++] = NONE;
      } else if (length > LARGE_STATE) {
        to[offset++] = LARGE;
        to[offset++] = length >> 24;
        to[offset++] = length >> 16;
        to[offset++] = length >> 8;
        to[offset++] = length;
      } else {
        to[offset++] = length + SHORTEST;
        const bytes = this.#bytes[slot];
        const end = this.#from[slot] + length;
        // Calling `set` takes longer than copying a few bytes.
        for (let from = this.#from[slot]; from < end; from++) to[offset++] = bytes[from];
      }
    }
    return { crc: checksumOf(to, rowId), value: to };
  }

  #size(): number {
    let size = 0;
    let end = 0;
    for (let slot = 0; slot < BLOCK_IDS; slot++) {
      const length = this.lengths[slot];
      size += length < 0 ? 1 : length > LARGE_STATE ? 5 : 1 + length;
      if (length >= 0) end = size;
    }
    return end;
  }
}

/** Returns keys as they are stored in a row. */
export function writeKeys(rowId: number, keys: readonly (string | null)[]): Checked<string> {
  const end = keys.findLastIndex((key) => key !== null) + 1;
  const value = JSON.stringify(keys.slice(0, end));
  return { crc: checksumOf(value, rowId), value };
}

/**
 * Returns the keys of a stored row.
 *
 * @throws {DamageError} If the row is missing, or not what was written.
 */
export function readKeys(rowId: number, stored: Checked | undefined): (string | null)[] {
  if (stored === undefined) throw new DamageError("a block of keys is missing");
  return JSON.parse(checkedText("a block of keys", rowId, stored));
}
