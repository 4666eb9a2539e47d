/**
 * The changed keys of a step as columns.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import { ValueColumn } from "../../core/value_codec.ts";
import type { StateChunk } from "../../recovery/store.ts";

/** The most keys in a chunk, and about how many bytes of keys and states. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

/**
 * The most bytes that one key's state may have. A chunk must fit into a frame to the coordinator,
 * and into a frame to a worker when it is restored.
 */
export const LONGEST_STATE = 240 << 20;

/** Fills columns, and sends them when they are long. */
export class ChunkWriter {
  readonly #step: StepId;
  readonly #send: (chunk: StateChunk) => void;
  readonly #states = new ValueColumn();
  readonly #keys: string[] | null;
  readonly #ids = new Float64Array(CHUNK_KEYS);
  readonly #lengths = new Int32Array(CHUNK_KEYS);
  #count = 0;
  #bytes = 0;
  readonly #longest: number;

  /**
   * `withKeys`: whether chunks contain the text of their keys. `longest`: the most bytes of a
   * state, for tests.
   */
  constructor(
    step: StepId,
    withKeys: boolean,
    send: (chunk: StateChunk) => void,
    longest: number = LONGEST_STATE,
  ) {
    this.#longest = longest;
    this.#step = step;
    this.#keys = withKeys ? [] : null;
    this.#send = send;
  }

  /**
   * Adds a key with its state. Returns how many bytes the state takes.
   *
   * @throws {UnencodableError} If it cannot be encoded.
   * @throws {RangeError} If it is too large to be stored.
   */
  write(id: number, key: string, state: unknown): number {
    const length = this.#states.write(state);
    if (length > this.#longest) {
      throw tooLarge("the state of the key", length, this.#longest);
    }
    this.#bytes += length;
    this.#add(id, key, length);
    return length;
  }

  /** Adds a forgotten key. */
  forget(id: number, key: string): void {
    this.#add(id, key, -1);
  }

  /** Sends the keys that are not sent yet. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    this.#bytes = 0;
    this.#send({
      step: this.#step,
      ids: this.#ids.slice(0, count),
      keys: this.#keys?.splice(0) ?? null,
      states: this.#states.take(),
      lengths: this.#lengths.slice(0, count),
    });
  }

  #add(id: number, key: string, length: number): void {
    if (this.#keys !== null) {
      this.#keys.push(key);
      this.#bytes += bytesOfKey(key);
    }
    this.#ids[this.#count] = id;
    this.#lengths[this.#count++] = length;
    if (this.#count === CHUNK_KEYS || this.#bytes > CHUNK_BYTES) this.flush();
  }
}

/** Returns the most bytes that a key can take. */
export function bytesOfKey(key: string): number {
  return key.length * 3;
}

/** Makes the error of a state or a position that has too many bytes to be stored. */
export function tooLarge(what: string, bytes: number, longest: number): RangeError {
  return new RangeError(
    `${what} takes ${Math.ceil(bytes / 2 ** 20)} MiB, and no more than ` +
      `${Math.floor(longest / 2 ** 20)} MiB can be stored: ` +
      `keep less in one key, or share it out over several`,
  );
}
