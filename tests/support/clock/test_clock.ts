import type { Clock } from "../../../src/core/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #at: number;
  #sleepers: Sleeper[] = [];

  /** Starts at `at`, in milliseconds since the Unix epoch. */
  constructor(at = 0) {
    this.#at = at;
  }

  /** The time it shows. */
  get at(): number {
    return this.#at;
  }

  /** When the sleepers are to be woken, earliest first. */
  get sleeps(): number[] {
    return this.#sleepers.map(({ at }) => at).sort((a, b) => a - b);
  }

  now(): number {
    return this.#at;
  }

  wakeAt(at: number, wake: () => void): () => void {
    const sleeper = { at, wake };
    this.#sleepers.push(sleeper);
    // Like a timer with no time left, but not before the caller has what it needs to cancel.
    if (at <= this.#at) queueMicrotask(() => this.#wakeOne(sleeper));
    return () => this.#remove(sleeper);
  }

  /** Moves on, and wakes each sleeper at its time, also those that are added meanwhile. */
  advance(ms: number): void {
    const to = this.#at + ms;
    for (;;) {
      const next = this.#sleepers.reduce<Sleeper | null>(
        (first, sleeper) => first === null || sleeper.at < first.at ? sleeper : first,
        null,
      );
      if (next === null || next.at > to) break;
      this.#at = Math.max(this.#at, next.at);
      this.#wakeOne(next);
    }
    this.#at = to;
  }

  #wakeOne(sleeper: Sleeper): void {
    if (this.#remove(sleeper)) sleeper.wake();
  }

  #remove(sleeper: Sleeper): boolean {
    const before = this.#sleepers.length;
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
    return this.#sleepers.length < before;
  }
}
