/**
 * A question that several ask at about the same time.
 *
 * @module
 */

/** Asks once for all that ask in the same turn of the event loop. */
export class Confirmation<T> {
  readonly #ask: () => Promise<T>;
  #next: Promise<T> | null = null;

  /** Asks nothing yet. */
  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Resolves with what was asked for after the call. */
  ask(): Promise<T> {
    this.#next ??= Promise.resolve().then(() => {
      this.#next = null; // a later caller needs a newer answer
      return this.#ask();
    });
    return this.#next;
  }
}
