/**
 * The time of a run. It follows a clock that somebody may set back, but never goes back itself.
 *
 * @module
 */
import { type Clock, elapsedOf } from "./clock.ts";

/**
 * How much slower the run's time passes while it is ahead of the clock. An hour is made up in 16
 * hours, and a window of a minute takes 64 s. (`adjtime` and chrony slow a clock down likewise.)
 */
const SLOWER = 1 / 16;

/** The two clocks may differ by this many milliseconds before one counts as set back. */
const TOLERANCE_MS = 100;

/** A look is due when this many milliseconds have passed since the last one. */
const LOOK_AFTER_MS = 1;

/** The time of a run. */
export class RunClock {
  readonly #clock: Clock;
  readonly #onSetBack: (ms: number) => void;
  #shown: number; // the last time returned
  #aheadBy = 0; // by how much that is later than a clock that was set back
  #seen: number; // the time at the last look, and the value of `elapsed` then
  #seenAt: number;

  /**
   * `onSetBack` is called with the milliseconds that the time is ahead of a clock that was set
   * back.
   */
  constructor(clock: Clock, onSetBack: (ms: number) => void = () => {}) {
    this.#clock = clock;
    this.#onSetBack = onSetBack;
    this.#shown = this.#seen = clock.now();
    this.#seenAt = this.elapsed();
  }

  /**
   * Milliseconds since the Unix epoch. The time follows the clock. If the clock is set back, the
   * time continues with what passes, a little slower, until the clock has caught up.
   */
  now(): number {
    const now = this.#clock.now();
    return this.#aheadBy > 0 || now < this.#shown ? this.look() : this.#shown = now;
  }

  /** Milliseconds since some moment, on a clock that nobody sets. */
  elapsed(): number {
    return elapsedOf(this.#clock);
  }

  /**
   * By how many milliseconds the time is ahead of the clock: more than 0 after that was set back.
   */
  ahead(): number {
    if (this.#aheadBy > 0) this.look();
    return this.#aheadBy;
  }

  /**
   * Notes how much has passed, unless it did so a moment ago. It is called before and after each
   * sleep: if the clock is set back meanwhile, this gives the length of the sleep.
   */
  watch(): void {
    // A look at both clocks takes as long as several items. A clock may measure durations by a time
    // that is set back.
    const passed = this.elapsed() - this.#seenAt;
    if (passed < 0 || passed >= LOOK_AFTER_MS) this.look();
  }

  /** Returns the time, and notes how much has passed since the last look. */
  look(): number {
    const elapsed = this.elapsed();
    const passed = Math.max(0, elapsed - this.#seenAt);
    this.#seenAt = elapsed;
    return this.#settle(this.#seen + (this.#aheadBy > 0 ? passed * (1 - SLOWER) : passed));
  }

  /**
   * Makes the time at least `time`. The run's state may be from a time that the clock has not
   * reached.
   */
  reach(time: number): void {
    if (time > this.look()) this.#settle(time);
  }

  /** Calls `wake` once, at or before `at`; see {@linkcode Clock.wakeAt}. */
  wakeAt(at: number, wake: () => void): () => void {
    return this.#clock.wakeAt(this.#clock.now() + at - this.now(), wake);
  }

  /** Sets the time, given its least value. */
  #settle(expected: number): number {
    const now = this.#clock.now();
    const wasAhead = this.#aheadBy;
    const aheadBy = expected - now;
    if (aheadBy <= (wasAhead > 0 ? 0 : TOLERANCE_MS)) {
      this.#aheadBy = 0;
      // Read after the clock: a busy machine may stop this process between the two. That time must
      // not count as passed after the clock was read, or the clock would count as set back.
      this.#seenAt = this.elapsed();
      return this.#seen = this.#shown = Math.max(this.#shown, now);
    }
    this.#aheadBy = aheadBy;
    this.#seen = expected;
    this.#shown = Math.max(this.#shown, Math.floor(expected));
    if (aheadBy > wasAhead + TOLERANCE_MS) this.#onSetBack(aheadBy);
    return this.#shown;
  }
}
