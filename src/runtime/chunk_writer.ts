/**
 * The changed keys of a step as columns.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { ValueColumn } from "../core/value_codec.ts";
import type { StateChunk } from "../recovery/store.ts";

/** Keys in a chunk, at most, and about how many bytes of state. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

/** Fills columns, and sends them whenever they have become long. */
export class ChunkWriter {
  readonly #step: StepId;
  readonly #send: (chunk: StateChunk) => void;
  readonly #states = new ValueColumn();
  readonly #keys: string[] | null;
  readonly #ids = new Float64Array(CHUNK_KEYS);
  readonly #lengths = new Int32Array(CHUNK_KEYS);
  #count = 0;
  #bytes = 0;

  /** `spells`: whether the chunks have their keys. */
  constructor(step: StepId, spells: boolean, send: (chunk: StateChunk) => void) {
    this.#step = step;
    this.#keys = spells ? [] : null;
    this.#send = send;
  }

  /**
   * Takes a key's state.
   *
   * @throws {UnencodableError} If it cannot be encoded.
   */
  write(id: number, key: string, state: unknown): void {
    const length = this.#states.write(state);
    this.#bytes += length;
    this.#add(id, key, length);
  }

  /** Takes a key that has been forgotten. */
  forget(id: number, key: string): void {
    this.#add(id, key, -1);
  }

  /** Sends what there is. */
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
    this.#keys?.push(key);
    this.#ids[this.#count] = id;
    this.#lengths[this.#count++] = length;
    if (this.#count === CHUNK_KEYS || this.#bytes > CHUNK_BYTES) this.flush();
  }
}
