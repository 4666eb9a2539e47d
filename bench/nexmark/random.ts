/**
 * Numbers that look random and follow from a seed and a number: each event draws from its own
 * sequence.
 */
export class Random {
  #state = 0;

  /** Starts the sequence of `n`, a whole number below 2^53. */
  start(seed: number, n: number): void {
    const high = Math.floor(n / 2 ** 32);
    this.#state = mix(mix(mix(seed) ^ high) ^ (n >>> 0));
  }

  /** A whole number from 0 on and below `limit`, which is at most 2^32. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** From 0 on and below 1, in steps of 2^-32. */
  fraction(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return (mix(this.#state) >>> 0) / 2 ** 32;
  }
}

/** Every bit of the result depends on every bit of `x` (the last steps of MurmurHash3). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
