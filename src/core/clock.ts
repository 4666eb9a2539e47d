/**
 * Time as the engine sees it, so that tests can hold it in their hands.
 *
 * @module
 */

/** Tells the time and wakes sleepers. The engine asks nothing else about time. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Calls `wake` once, at or soon after `at` (milliseconds since the Unix epoch).
   *
   * @returns A function that takes the call back.
   */
  wakeAt(at: number, wake: () => void): () => void;
}

// The longest delay that timers take: more wraps around to "at once".
const LONGEST_DELAY = 2 ** 31 - 1;

/** The machine's clock. A sleep longer than 24 days wakes early, which sleepers must bear. */
export const systemClock: Clock = Object.freeze({
  now: (): number => Date.now(),
  wakeAt(at: number, wake: () => void): () => void {
    const delay = Math.min(Math.max(at - Date.now(), 0), LONGEST_DELAY);
    const timer = setTimeout(wake, delay);
    return () => clearTimeout(timer);
  },
});
