import { BatchSizes } from "../../core/value_size.ts";

/** Keys that are combined at once: as many as fit into the processor's cache. */
export const MOST_KEYS = 4096;

/** This many keys are combined even if there is room for fewer, as their merger is slow. */
const FEW_KEYS = 64;

/**
 * Values that are combined at once: a partial result may hold all of them, and must fit into a
 * frame.
 */
const MOST_VALUES = 1 << 15;

/** And about this many bytes, for the same reason. */
const MOST_BYTES = 8 << 20;

/** How much has been combined into the partial results that are held back. */
export class CombinedAmount {
  readonly #sizes = new BatchSizes();
  #values = 0;
  #bytes = 0; // about

  /** How many values. */
  get values(): number {
    return this.#values;
  }

  /** About how many bytes they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A batch has been combined. */
  add(batch: readonly unknown[]): void {
    this.#values += batch.length;
    this.#bytes += batch.length * this.#sizes.itemBytes(batch);
  }

  /**
   * Returns whether the partial results are to go on.
   *
   * @param keys How many there are.
   * @param room How many there is room for.
   */
  isFull(keys: number, room: number): boolean {
    if (this.#values >= MOST_VALUES || this.#bytes >= MOST_BYTES) return true;
    return keys >= Math.min(MOST_KEYS, Math.max(FEW_KEYS, room));
  }

  /** The partial results have gone on. */
  reset(): void {
    this.#values = this.#bytes = 0;
  }
}
