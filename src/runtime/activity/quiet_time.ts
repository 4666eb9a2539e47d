/**
 * For how long a step has had nothing to do and nothing to wait for, or an input has given nothing.
 *
 * @module
 */

/** How long to sleep at most while it counts, in milliseconds. */
export const LOOK_EVERY_MS = 1_000;

/**
 * The most that one look may add, in milliseconds. After a longer time, the process stood still or
 * had much to do. What came meanwhile may be waiting unseen.
 */
const LONGEST_MS = LOOK_EVERY_MS + 500;

/** The same for a look at which the worker had not slept since the last. */
const LONGEST_BUSY_MS = 10;

/** Counts while it is told to. */
export class QuietTime {
  #ms = 0;
  #since: number | null = null;

  /** What has been counted up to the last look, in milliseconds. */
  get ms(): number {
    return this.#ms;
  }

  /** When it looked last, while it counts; else `null`. */
  get since(): number | null {
    return this.#since;
  }

  /**
   * Adds the time since the last look, if it counts. `busy`: whether the worker has not slept
   * since. Then it may have worked on what is on its way here.
   */
  look(now: number, busy = false): void {
    if (this.#since === null) return;
    const longest = busy ? LONGEST_BUSY_MS : LONGEST_MS;
    this.#ms += Math.min(Math.max(now - this.#since, 0), longest);
    this.#since = now;
  }

  /** Adds time that others have counted, in milliseconds. */
  pass(ms: number): void {
    this.#ms += ms;
  }

  /** Counts from now on. */
  start(now: number): void {
    this.#since ??= now;
  }

  /** Counts no more. */
  stop(): void {
    this.#since = null;
  }

  /** Counts no more, and forgets what it has counted. */
  reset(): void {
    this.#since = null;
    this.#ms = 0;
  }
}
