/**
 * Numbers the keys of a step, so that a store holds the text of a key only once.
 *
 * @module
 */

/** How the workers of a run number new keys, and whether their store keeps the numbers. */
export interface KeyNumbering {
  /** Larger than all stored numbers. */
  readonly firstId: number;
  /** Whether the store keeps no numbers, so that each change must contain the text of its key. */
  readonly byKey: boolean;
}

/**
 * The numbers of one step on one worker. Workers take them in turns, so that the used numbers lie
 * close together: a store keeps neighbours in one place.
 */
export class KeyIds {
  readonly #free: number[] = [];
  readonly #by: number;
  #next: number;

  /** Numbers start at `first`; each is `by` more than the last. */
  constructor(first: number, by: number) {
    this.#next = first;
    this.#by = by;
  }

  /** Returns a number that no key of the step has. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const id = this.#next;
    this.#next += this.#by;
    return id;
  }

  /** Makes the number of a forgotten key available again. */
  release(id: number): void {
    this.#free.push(id);
  }
}
