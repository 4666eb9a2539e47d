/**
 * How many bytes may wait for brokers that acknowledge slowly.
 *
 * The end of an epoch waits until everything before it has been acknowledged. So the queue is also
 * bounded by time: it should be acknowledged within a second. A round may take equally long with
 * any number of records. So the bound still grows while a round takes less than half a second: more
 * than twice its bytes may wait then.
 * @module
 */

/** The queue should be acknowledged in this time. */
const AHEAD_MS = 1_000;

/** Measures how fast records are acknowledged. */
export class AckRate {
  readonly #least: number;
  readonly #most: number;
  #bytesPerMs: number | null = null;

  /** `least` and `most` bytes that may wait, whatever the rate. */
  constructor(least: number, most: number) {
    this.#least = Math.min(least, most);
    this.#most = most;
  }

  /**
   * The bytes that may wait. Before the first acknowledgement, it is the least, as the rate is not
   * known.
   */
  get ahead(): number {
    const ahead = (this.#bytesPerMs ?? 0) * AHEAD_MS;
    return Math.min(this.#most, Math.max(this.#least, ahead));
  }

  /** A round of `bytes` was acknowledged `ms` milliseconds after it began. */
  acknowledged(bytes: number, ms: number): void {
    const rate = bytes / Math.max(ms, 0.1);
    this.#bytesPerMs = this.#bytesPerMs === null ? rate : (this.#bytesPerMs + rate) / 2;
  }
}
