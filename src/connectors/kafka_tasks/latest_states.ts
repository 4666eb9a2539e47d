/**
 * The last state of each key in a part of a changelog.
 *
 * A changelog has millions of records. So states are not objects of their own: their bytes are
 * copied into large blocks, and numbers say where. A state is written over the one before it, if
 * there is room.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import type { RestoredKeys } from "../../group/log.ts";
import type { StateChunk, StoredKey } from "../../recovery/store.ts";

/** How many keys a part has. */
const PART = 4096;

/** The bytes of a block. A state that is larger has a block of its own. */
const BLOCK_BYTES = 1 << 20;

/** The length of a forgotten state. */
const FORGOTTEN = -1;

/** The last states of keys, by step. */
export class LatestStates {
  readonly #steps = new Map<StepId, StepStates>();

  /** How many keys have a last state, forgotten ones included. */
  get size(): number {
    let size = 0;
    for (const states of this.#steps.values()) size += states.size;
    return size;
  }

  /** Sets the state of a key, which is copied; `null` if it has been forgotten. */
  set(step: StepId, key: string, state: Uint8Array | null): void {
    this.of(step).set(key, state);
  }

  /** The states of a step, to be added to. */
  of(step: StepId): StepStates {
    let states = this.#steps.get(step);
    if (states === undefined) this.#steps.set(step, states = new StepStates());
    return states;
  }

  /** Whether something is known of a key: its state, or that it has been forgotten. */
  has(step: StepId, key: string): boolean {
    return this.#steps.get(step)?.has(key) ?? false;
  }

  /** Returns the keys that have a state, in parts. The states are views. */
  *parts(): Generator<RestoredKeys> {
    for (const [step, states] of this.#steps) {
      for (const keys of states.parts()) yield { step, keys };
    }
  }

  /** Returns all keys as changes, also those that have been forgotten. */
  *changes(): Generator<StateChunk> {
    for (const [step, states] of this.#steps) yield* states.changes(step);
  }
}

/** The last states of the keys of one step. */
export class StepStates {
  /** The number of each key, in the order of the numbers. */
  readonly #numbers = new Map<string, number>();
  readonly #blocks: Uint8Array[] = [];
  #lengths = new Int32Array(PART);
  #rooms = new Int32Array(PART); // how long a state may be that is written over the one there
  #blockOf = new Int32Array(PART);
  #offsets = new Int32Array(PART);
  #block = -1; // the one that is being filled
  #filled = BLOCK_BYTES;

  /** How many keys there are, forgotten ones included. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Whether a key is there, perhaps as one that has been forgotten. */
  has(key: string): boolean {
    return this.#numbers.has(key);
  }

  /** Sets the state of a key, which is copied; `null` if it has been forgotten. */
  set(key: string, state: Uint8Array | null): void {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(key, number);
      if (number === this.#lengths.length) this.#grow();
    }
    if (state === null) {
      this.#lengths[number] = FORGOTTEN;
      return;
    }
    const { length } = state;
    this.#lengths[number] = length;
    if (length === 0) return;
    if (length > this.#rooms[number]) this.#place(number, length);
    this.#blocks[this.#blockOf[number]].set(state, this.#offsets[number]);
  }

  #grow(): void {
    const grown = (from: Int32Array<ArrayBuffer>) => {
      const to = new Int32Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.#lengths = grown(this.#lengths);
    this.#rooms = grown(this.#rooms);
    this.#blockOf = grown(this.#blockOf);
    this.#offsets = grown(this.#offsets);
  }

  /** Moves a state to a place with room for its bytes. The place before is lost. */
  #place(number: number, length: number): void {
    // One that grows again and again is to lose no more than it takes in the end.
    const room = Math.max(length, 2 * this.#rooms[number]);
    this.#rooms[number] = room;
    if (room > BLOCK_BYTES) {
      this.#blockOf[number] = this.#blocks.push(new Uint8Array(room)) - 1;
      this.#offsets[number] = 0;
      return;
    }
    if (this.#filled + room > BLOCK_BYTES) {
      this.#block = this.#blocks.push(new Uint8Array(BLOCK_BYTES)) - 1;
      this.#filled = 0;
    }
    this.#blockOf[number] = this.#block;
    this.#offsets[number] = this.#filled;
    this.#filled += room;
  }

  #viewOf(number: number): Uint8Array {
    const offset = this.#offsets[number];
    const length = this.#lengths[number];
    if (length === 0) return EMPTY;
    return this.#blocks[this.#blockOf[number]].subarray(offset, offset + length);
  }

  /** Returns the keys that have a state, in parts. */
  *parts(): Generator<StoredKey[]> {
    let keys: StoredKey[] = [];
    for (const [key, id] of this.#numbers) {
      if (this.#lengths[id] === FORGOTTEN) continue;
      keys.push({ id, key, state: this.#viewOf(id) });
      if (keys.length < PART) continue;
      yield keys;
      keys = [];
    }
    if (keys.length > 0) yield keys;
  }

  /** Returns all keys as changes. */
  *changes(step: StepId): Generator<StateChunk> {
    let keys: string[] = [];
    let first = 0;
    for (const key of this.#numbers.keys()) {
      keys.push(key);
      if (keys.length < PART) continue;
      yield this.#changesOf(step, first, keys);
      first += keys.length;
      keys = [];
    }
    if (keys.length > 0) yield this.#changesOf(step, first, keys);
  }

  #changesOf(step: StepId, first: number, keys: readonly string[]): StateChunk {
    const lengths = this.#lengths.slice(first, first + keys.length);
    let bytes = 0;
    for (const length of lengths) bytes += Math.max(0, length);
    const states = new Uint8Array(bytes);
    let at = 0;
    for (const [i, length] of lengths.entries()) {
      if (length <= 0) continue;
      states.set(this.#viewOf(first + i), at);
      at += length;
    }
    const ids = Float64Array.from(keys, (_, i) => first + i);
    return { step, ids, keys, states, lengths };
  }
}

const EMPTY = new Uint8Array(0);
