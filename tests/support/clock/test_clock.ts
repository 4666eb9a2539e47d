import type { Clock } from "../../../src/core/clock.ts";

interface Sleeper {
  readonly at: number;
  /** Of two that wake at the same time, the first that fell asleep wakes first. */
  readonly order: number;
  readonly wake: () => void;
  isAsleep: boolean;
}

/** A clock that stands still until a test moves it. Thousands may sleep by it. */
export class TestClock implements Clock {
  #at: number;
  #order = 0;
  /** A binary heap by time. It also has some that sleep no more. */
  readonly #sleepers: Sleeper[] = [];

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
    return this.#sleepers.filter(({ isAsleep }) => isAsleep).map(({ at }) => at)
      .sort((a, b) => a - b);
  }

  /** When the next sleeper is to be woken; `null` if nobody sleeps. */
  get nextAt(): number | null {
    return this.#first()?.at ?? null;
  }

  now(): number {
    return this.#at;
  }

  wakeAt(at: number, wake: () => void): () => void {
    const sleeper = { at, order: this.#order++, wake, isAsleep: true };
    this.#add(sleeper);
    // Like a timer with no time left, but not before the caller has what it needs to cancel.
    if (at <= this.#at) queueMicrotask(() => this.#wakeOne(sleeper));
    return () => {
      sleeper.isAsleep = false;
    };
  }

  /** Moves on, and wakes each sleeper at its time, also those that are added meanwhile. */
  advance(ms: number): void {
    const to = this.#at + ms;
    for (;;) {
      const next = this.#first();
      if (next === null || next.at > to) break;
      this.#at = Math.max(this.#at, next.at);
      this.#wakeOne(next);
    }
    this.#at = to;
  }

  #wakeOne(sleeper: Sleeper): void {
    if (!sleeper.isAsleep) return;
    sleeper.isAsleep = false;
    sleeper.wake();
  }

  /** The next to be woken. Those that sleep no more go. */
  #first(): Sleeper | null {
    for (;;) {
      const [first] = this.#sleepers;
      if (first === undefined) return null;
      if (first.isAsleep) return first;
      this.#removeFirst();
    }
  }

  #add(sleeper: Sleeper): void {
    const heap = this.#sleepers;
    let n = heap.length;
    heap.push(sleeper);
    while (n > 0) {
      const parent = (n - 1) >> 1;
      if (!isBefore(sleeper, heap[parent])) break;
      heap[n] = heap[parent];
      n = parent;
    }
    heap[n] = sleeper;
  }

  #removeFirst(): void {
    const heap = this.#sleepers;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let n = 0;
    for (;;) {
      let child = 2 * n + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[n] = heap[child];
      n = child;
    }
    heap[n] = last;
  }
}

function isBefore(a: Sleeper, b: Sleeper): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
