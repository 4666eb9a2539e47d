/** A sum over results that shows whether they are the same ones, in any order. */
export class Digest {
  #count = 0;
  #high = 0;
  #low = 0;

  /** Adds a result: the same text as JSON is the same result. */
  add(result: unknown): void {
    const json = JSON.stringify(result);
    let high = 0x811c9dc5;
    let low = 0x9747b28c;
    for (let i = 0; i < json.length; i++) {
      const unit = json.charCodeAt(i);
      high = Math.imul(high ^ unit, 0x01000193); // FNV-1a
      low = Math.imul(low ^ unit, 0x5bd1e995);
      low ^= low >>> 15;
    }
    this.#count++;
    this.#high = (this.#high + high) >>> 0;
    this.#low = (this.#low + low) >>> 0;
  }

  /** Adds all that another digest has, as its `toJSON()` returns it. */
  addAll({ count, high, low }: DigestSums): void {
    this.#count += count;
    this.#high = (this.#high + high) >>> 0;
    this.#low = (this.#low + low) >>> 0;
  }

  toJSON(): DigestSums {
    return { count: this.#count, high: this.#high, low: this.#low };
  }

  toString(): string {
    return `${this.#count} results, sums ${this.#high.toString(16)} and ${this.#low.toString(16)}`;
  }
}

/** The number of results, and two sums of 32 bits over their hashes. */
export interface DigestSums {
  readonly count: number;
  readonly high: number;
  readonly low: number;
}
