/**
 * How fast a number of items grows.
 *
 * @module
 */

/** Over so long: what can be read, and still follows. */
const WINDOW_MS = 2_000;

/** So close together, two numbers say nothing. */
const LEAST_MS = 100;

interface Sample {
  readonly at: number;
  readonly items: number;
}

/** Items a second, over the last two seconds. */
export class ItemRate {
  #samples: Sample[] = [];

  /** Takes how many there are at a time, in milliseconds, and gives how many more come in a second. */
  update(at: number, items: number): number {
    // After a restart it counts from zero again.
    if (items < (this.#samples.at(-1)?.items ?? 0)) this.#samples = [];
    // The same number again may be an old one, told anew beside another worker's.
    if (items !== this.#samples.at(-1)?.items) this.#samples.push({ at, items });
    while (this.#samples.length > 1 && at - this.#samples[1].at >= WINDOW_MS) this.#samples.shift();
    const { at: from, items: before } = this.#samples[0];
    return at - from < LEAST_MS ? 0 : (items - before) * 1_000 / (at - from);
  }
}
