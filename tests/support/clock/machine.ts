import { TestClock } from "./test_clock.ts";

/** The machine's clocks and timers, under the control of a test. */
export class Machine implements Disposable {
  /** By how many milliseconds `Date.now` was set forward. */
  set = 0;
  readonly #passing = new TestClock(5_000);
  readonly #real = {
    now: Date.now,
    elapsed: performance.now,
    timers: [setTimeout, clearTimeout, setInterval, clearInterval] as const,
  };

  constructor() {
    Date.now = () => 1_700_000_000_000 + this.#passing.at + this.set;
    performance.now = () => this.#passing.at;
    const timers: (() => void)[] = [];
    const cancel = (timer?: number) => timers[timer ?? -1]?.();
    const start = (wake: () => void, ms: number) =>
      timers.push(this.#passing.wakeAt(this.#passing.at + ms, wake)) - 1;
    const repeat = (wake: () => void, ms: number) => {
      const timer = start(function again(): void {
        timers[timer] = timers[start(again, ms)];
        wake();
      }, ms);
      return timer;
    };
    Object.assign(globalThis, {
      setTimeout: start,
      clearTimeout: cancel,
      setInterval: repeat,
      clearInterval: cancel,
    });
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.#passing.advance(ms);
  }

  [Symbol.dispose](): void {
    const { now, elapsed, timers } = this.#real;
    Date.now = now;
    performance.now = elapsed;
    const [setTimeout, clearTimeout, setInterval, clearInterval] = timers;
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
  }
}
