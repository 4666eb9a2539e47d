/**
 * Numbers the keys of a step, so that a snapshot spells a key only once.
 *
 * @module
 */

/** How the workers of a run number new keys, and whether their store makes anything of it. */
export interface KeyNumbering {
  /** All numbers that are stored are below it. */
  readonly firstId: number;
  /** Whether the store keeps no numbers, so that each change has to spell its key. */
  readonly byKey: boolean;
}

/**
 * The numbers of one step on one worker. Workers take them in turns, so that all numbers that are in use
 * lie close together: a store keeps neighbours in one place.
 */
export class KeyIds {
  readonly #free: number[] = [];
  readonly #by: number;
  #next: number;

  /** Numbers from `first`, each `by` more than the last. */
  constructor(first: number, by: number) {
    this.#next = first;
    this.#by = by;
  }

  /** A number that no key of the step has. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const id = this.#next;
    this.#next += this.#by;
    return id;
  }

  /** Takes back the number of a key that has been forgotten. */
  release(id: number): void {
    this.#free.push(id);
  }
}
