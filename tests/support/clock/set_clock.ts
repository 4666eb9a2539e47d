import type { Clock } from "../../../src/core/clock.ts";
import type { TestClock } from "./test_clock.ts";

/** A clock that is set: it shows another time than the one that passes. */
export class SetClock implements Clock {
  /** By how many milliseconds it was set forward; below zero if it was set back. */
  set = 0;
  readonly #clock: TestClock;

  /** `clock` is the time that passes. */
  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.set;
  }

  elapsed(): number {
    return this.#clock.now();
  }

  wakeAt(at: number, wake: () => void): () => void {
    return this.#clock.wakeAt(at - this.set, wake);
  }
}
