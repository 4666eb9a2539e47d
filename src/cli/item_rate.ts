/**
 * How fast a number of items grows.
 *
 * @module
 */

/** Averaging window: long enough to read, short enough to follow changes. */
const WINDOW_MS = 2_000;

/** The shortest time from which a rate means something. */
const LEAST_MS = 100;

interface Sample {
  readonly at: number;
  readonly items: number;
}

/** Items per second, over the last two seconds. */
export class ItemRate {
  #samples: Sample[] = [];

  /** Adds the number of items at a time, in milliseconds; returns how many more come per second. */
  update(at: number, items: number): number {
    // After a restart, the count begins at zero again.
    if (items < (this.#samples.at(-1)?.items ?? 0)) this.#samples = [];
    // An equal number may be an old one that is repeated beside another worker's.
    if (items !== this.#samples.at(-1)?.items) this.#samples.push({ at, items });
    while (this.#samples.length > 1 && at - this.#samples[1].at >= WINDOW_MS) this.#samples.shift();
    const { at: from, items: before } = this.#samples[0];
    return at - from < LEAST_MS ? 0 : (items - before) * 1_000 / (at - from);
  }
}
