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
  readonly atMs: number;
  readonly items: number;
}

/** Items per second, over the last two seconds. */
export class ItemRate {
  #samples: Sample[] = [];

  /** Adds the number of items at a time, in milliseconds; returns how many more come per second. */
  update(atMs: number, items: number): number {
    // After a restart, the count begins at zero again.
    if (items < (this.#samples.at(-1)?.items ?? 0)) this.#samples = [];
    // An equal number may be an old one that is repeated beside another worker's.
    if (items !== this.#samples.at(-1)?.items) this.#samples.push({ atMs, items });
    while (this.#samples.length > 1 && atMs - this.#samples[1].atMs >= WINDOW_MS) {
      this.#samples.shift();
    }
    const { atMs: from, items: before } = this.#samples[0];
    return atMs - from < LEAST_MS ? 0 : (items - before) * 1_000 / (atMs - from);
  }
}
