/**
 * The last state of each key in a part of a changelog.
 *
 * A changelog has millions of records. A string for each key, and an object for each state, keep
 * the garbage collector busier than everything else (bench/group_restore.ts). So keys are bytes
 * here until somebody asks for them, in a table that is made of numbers.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import { finishedHash, HASH_BASIS, HASH_PRIME, keyHashOf } from "../../core/key_groups.ts";
import { decodeAnyUtf8 } from "../../core/utf8.ts";
import type { RestoredKeys } from "../../group/log.ts";
import type { StateChunk, StoredKey } from "../../recovery/store.ts";
import { ByteBlocks } from "./byte_blocks.ts";
import { parseStateKey } from "./state_records.ts";

/** How many keys a part has. */
const PART = 4096;

/** The length of a forgotten state. */
const FORGOTTEN = -1;

const [QUOTE, BACKSLASH, BRACKET] = [0x22, 0x5c, 0x5d];
const [FIRST_PLAIN, FIRST_OTHER] = [0x20, 0x80];

/** The bytes after the key in the key of a record: `"]`. */
const AFTER_KEY = 2;

/** The last states of keys, by step. */
export class LatestStates {
  readonly #owns: (hash: number) => boolean;
  readonly #steps = new Map<StepId, StepStates>();
  #last: StepStates | null = null; // that of the last record
  #prefix: Uint8Array = new Uint8Array(0); // what its keys begin with: `["STEP","`

  /** `owns`: whether the part is to have keys of such a hash (`keyHashOf`). */
  constructor(owns: (hash: number) => boolean) {
    this.#owns = owns;
  }

  /** How many keys are known, forgotten ones included. */
  get size(): number {
    let size = 0;
    for (const states of this.#steps.values()) size += states.size;
    return size;
  }

  /**
   * Sets the state of a key. Its bytes are copied.
   *
   * @param name The key of a record, as `state_records.ts` writes it, but not that of positions.
   * @param state `null` if the key has been forgotten.
   * @throws {TypeError} If no task writes such a key, or the part is not to have it.
   */
  set(name: Uint8Array, state: Uint8Array | null): void {
    const end = name.length - AFTER_KEY;
    let from = this.#prefix.length;
    if (this.#last === null || end < from || !beginsWith(name, this.#prefix)) {
      from = this.#turnTo(name);
    }
    let hash = plainHash(name, from, end);
    const isPlain = hash >= 0 && name[end] === QUOTE && name[end + 1] === BRACKET;
    if (!isPlain) hash = keyHashOf(keyOf(name));
    if (!this.#owns(hash)) {
      throw new TypeError(`key ${JSON.stringify(keyOf(name))} does not belong in the partition`);
    }
    this.#last!.set(name, from, end, hash, isPlain, state);
  }

  /** The next records are those of another step. Returns where the key begins in their keys. */
  #turnTo(name: Uint8Array): number {
    const [step] = parsed(name);
    let states = this.#steps.get(step);
    if (states === undefined) this.#steps.set(step, states = new StepStates());
    this.#last = states;
    this.#prefix = new TextEncoder().encode(`[${JSON.stringify(step)},"`);
    return this.#prefix.length;
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
class StepStates {
  readonly #keys = new ByteBlocks(); // as in JSON, without quotes
  readonly #states = new ByteBlocks();
  #size = 0;
  #hashes = new Int32Array(PART);
  #isPlain = new Uint8Array(PART);
  #isForgotten = new Uint8Array(PART);
  /** One more than the number of the key, at its hash or after it; 0 for none. */
  #table = new Int32Array(2 * PART);
  #shift = 32 - Math.log2(2 * PART);
  #at = 0;

  get size(): number {
    return this.#size;
  }

  /** Sets the state of the key from `from` to `to`, as it is in JSON. */
  set(
    bytes: Uint8Array,
    from: number,
    to: number,
    hash: number,
    isPlain: boolean,
    state: Uint8Array | null,
  ): void {
    let number = this.#withHash(hash, this.#start(hash));
    while (number >= 0 && !this.#keys.is(number, bytes, from, to)) {
      number = this.#withHash(hash, this.#at + 1);
    }
    if (number < 0) {
      number = this.#add(hash, isPlain);
      this.#keys.set(number, bytes, from, to);
    }
    this.#isForgotten[number] = state === null ? 1 : 0;
    if (state !== null) this.#states.set(number, state, 0, state.length);
  }

  has(key: string): boolean {
    const hash = keyHashOf(key);
    let number = this.#withHash(hash, this.#start(hash));
    while (number >= 0 && this.#keyOf(number) !== key) {
      number = this.#withHash(hash, this.#at + 1);
    }
    return number >= 0;
  }

  /** By the highest bits: the lowest ones are alike in all keys of a partition. */
  #start(hash: number): number {
    return hash >>> this.#shift;
  }

  /**
   * Returns the number of the next key with a hash, from a place of the table on; -1 if there is
   * none. Its place is `#at`.
   */
  #withHash(hash: number, from: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    for (let at = from & mask;; at = (at + 1) & mask) {
      const number = table[at] - 1;
      if (number >= 0 && this.#hashes[number] !== (hash | 0)) continue;
      this.#at = at;
      return number;
    }
  }

  #add(hash: number, isPlain: boolean): number {
    const number = this.#size++;
    if (number === this.#hashes.length) this.#grow();
    this.#hashes[number] = hash;
    this.#isPlain[number] = isPlain ? 1 : 0;
    this.#enter(number);
    return number;
  }

  #enter(number: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let at = this.#start(this.#hashes[number]);
    while (table[at] !== 0) at = (at + 1) & mask;
    table[at] = number + 1;
  }

  /** The table is half full at most. */
  #grow(): void {
    const length = 2 * this.#hashes.length;
    const hashes = this.#hashes;
    this.#hashes = new Int32Array(length);
    this.#hashes.set(hashes);
    this.#isPlain = grown(this.#isPlain);
    this.#isForgotten = grown(this.#isForgotten);
    this.#table = new Int32Array(2 * length);
    this.#shift--;
    for (let number = 0; number < hashes.length; number++) this.#enter(number);
  }

  #keyOf(number: number): string {
    const isPlain = this.#isPlain[number] === 1;
    const key = this.#keys.use(number, decodeAnyUtf8);
    return isPlain ? key : JSON.parse(`"${key}"`);
  }

  /** Returns the keys that have a state, in parts. */
  *parts(): Generator<StoredKey[]> {
    let keys: StoredKey[] = [];
    for (let id = 0; id < this.#size; id++) {
      if (this.#isForgotten[id] === 1) continue;
      keys.push({ id, key: this.#keyOf(id), state: this.#states.view(id) });
      if (keys.length < PART) continue;
      yield keys;
      keys = [];
    }
    if (keys.length > 0) yield keys;
  }

  /** Returns all keys as changes. */
  *changes(step: StepId): Generator<StateChunk> {
    for (let first = 0; first < this.#size; first += PART) {
      const count = Math.min(PART, this.#size - first);
      const ids = Float64Array.from({ length: count }, (_, i) => first + i);
      const keys = Array.from(ids, (id) => this.#keyOf(id));
      const lengths = Int32Array.from(
        ids,
        (id) => this.#isForgotten[id] === 1 ? FORGOTTEN : this.#states.lengthOf(id),
      );
      const states = new Uint8Array(lengths.reduce((sum, each) => sum + Math.max(0, each), 0));
      let at = 0;
      for (let i = 0; i < count; i++) {
        if (lengths[i] <= 0) continue;
        states.set(this.#states.view(first + i), at);
        at += lengths[i];
      }
      yield { step, ids, keys, states, lengths };
    }
  }
}

function grown(from: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(2 * from.length);
  to.set(from);
  return to;
}

function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** Returns the hash of a key that is the same in JSON, in ASCII; -1 for any other. */
function plainHash(bytes: Uint8Array, from: number, to: number): number {
  let hash = HASH_BASIS;
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte < FIRST_PLAIN || byte >= FIRST_OTHER || byte === QUOTE || byte === BACKSLASH) {
      return -1;
    }
    hash = Math.imul(hash ^ byte, HASH_PRIME);
  }
  return finishedHash(hash);
}

function keyOf(name: Uint8Array): string {
  return parsed(name)[1];
}

/** Returns the step and the key of a record's key, which must be as we write it. */
function parsed(name: Uint8Array): [step: string, key: string] {
  const found = parseStateKey(name);
  const written = new TextEncoder().encode(JSON.stringify(found));
  const isOurs = written.length === name.length && beginsWith(name, written);
  if (found !== null && isOurs) return found;
  throw new TypeError(`no task writes the key ${decodeAnyUtf8(name, 0, name.length)}`);
}
