/**
 * A block of keys and their states as it is stored: see `schema.ts`.
 *
 * @module
 */
import { type Checked, checkedBytes, checkedText, checksumOf, DamageError } from "./checksum.ts";

/** Ids of a block. */
export const BLOCK_IDS = 128;

/** States of more bytes are stored by themselves, so that a block is not larger than a few of SQLite's pages. */
export const LARGE_STATE = 128;

const NONE = 0;
const LARGE = 1;
const SHORTEST = 2;

const NOTHING = new Uint8Array();

/** The block that an id is in. */
export function blockOf(id: number): number {
  return Math.floor(id / BLOCK_IDS);
}

/** Numbers of a step, so that places of all steps are integers that JavaScript keeps exactly. */
const STEP_ROWS = 2 ** 40;

/** Where a block of a step is, or the large state with an id. */
export function rowIdOf(step: number, number: number): number {
  return step * STEP_ROWS + number;
}

/** The block, or id, that is at a place. */
export function numberAt(rowId: number): number {
  return rowId % STEP_ROWS;
}

/** The states of a block, to be looked at and changed. */
export class StateBlock {
  /** How long the state of each id is; -1 for none. */
  readonly lengths: Int32Array = new Int32Array(BLOCK_IDS);
  readonly #from = new Int32Array(BLOCK_IDS);
  readonly #bytes: Uint8Array[] = new Array(BLOCK_IDS).fill(NOTHING);

  /** Makes it one without states. */
  clear(): void {
    this.lengths.fill(-1);
    this.#bytes.fill(NOTHING);
  }

  /**
   * Makes it what is stored at a place.
   *
   * @throws {DamageError} If that is none.
   */
  read(rowId: number, stored: Checked): void {
    const bytes = checkedBytes("a block of states", rowId, stored);
    let at = 0;
    for (let slot = 0; slot < BLOCK_IDS; slot++) {
      const kind = at < bytes.length ? bytes[at++] : NONE;
      if (kind === NONE) {
        this.lengths[slot] = -1;
      } else if (kind === LARGE) {
        this.lengths[slot] = bytes[at] * 0x1000000 +
          (bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]);
        at += 4;
      } else {
        this.lengths[slot] = kind - SHORTEST;
        this.#from[slot] = at;
        this.#bytes[slot] = bytes;
        at += kind - SHORTEST;
      }
    }
    if (at !== bytes.length) throw new DamageError("a block of states has another length");
  }

  /** Whether there are no states. */
  get isEmpty(): boolean {
    return this.lengths.every((length) => length < 0);
  }

  /** Whether a state is stored by itself. */
  isLarge(slot: number): boolean {
    return this.lengths[slot] > LARGE_STATE;
  }

  /** A state that is not large: a view. */
  state(slot: number): Uint8Array {
    const from = this.#from[slot];
    return this.#bytes[slot].subarray(from, from + this.lengths[slot]);
  }

  /** Puts a state, which begins at `from` of `bytes` and is kept there; of a large one only the length. */
  put(slot: number, bytes: Uint8Array, from: number, length: number): void {
    this.lengths[slot] = length;
    this.#bytes[slot] = bytes;
    this.#from[slot] = from;
  }

  /** As it is stored at a place. */
  write(rowId: number): Checked<Uint8Array> {
    const to = new Uint8Array(this.#size());
    let at = 0;
    for (let slot = 0; at < to.length; slot++) {
      const length = this.lengths[slot];
      if (length < 0) {
        to[at++] = NONE;
      } else if (length > LARGE_STATE) {
        to[at++] = LARGE;
        to[at++] = length >> 24;
        to[at++] = length >> 16;
        to[at++] = length >> 8;
        to[at++] = length;
      } else {
        to[at++] = length + SHORTEST;
        const bytes = this.#bytes[slot];
        const end = this.#from[slot] + length;
        // Calling `set` takes longer than to copy some bytes.
        for (let from = this.#from[slot]; from < end; from++) to[at++] = bytes[from];
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

/** Keys as they are stored at a place. */
export function writeKeys(rowId: number, keys: readonly (string | null)[]): Checked<string> {
  const end = keys.findLastIndex((key) => key !== null) + 1;
  const value = JSON.stringify(keys.slice(0, end));
  return { crc: checksumOf(value, rowId), value };
}

/**
 * The keys of a block.
 *
 * @throws {DamageError} If that is none.
 */
export function readKeys(rowId: number, stored: Checked | undefined): (string | null)[] {
  if (stored === undefined) throw new DamageError("a block of keys is missing");
  return JSON.parse(checkedText("a block of keys", rowId, stored));
}
