/** Lets a run live through hours of a test's clock. */
import type { InputConfig, InputReader, OutputConfig, Place, Positions } from "../../../mod.ts";
import { yieldToEventLoop } from "../../../src/core/event_loop.ts";
import type { TestClock } from "../clock/test_clock.ts";

/** The longest step. Of a longer one, the engine counts only a part as quiet time. */
const STEP_MS = 1_000;

/** After this many turns of the event loop, all pending work is done, also between workers. */
const TURNS = 5;

/**
 * Moves a clock on by `ms`. It stops at each time at which a sleeper wants to be woken, so that the
 * sleeper sees that time. After each step, the event loop runs.
 */
export async function pass(clock: TestClock, ms: number, stepMs = STEP_MS): Promise<void> {
  await settle();
  const until = clock.at + ms;
  while (clock.at < until) {
    const next = clock.sleeps.find((at) => at > clock.at) ?? Infinity;
    clock.advance(Math.min(next, until, clock.at + stepMs) - clock.at);
    await settle();
  }
}

/**
 * A busy worker uses many rounds of the event loop for one pass. On a slow machine, timers may run
 * in each of them, so timers alone would not wait for it.
 */
async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    await yieldToEventLoop();
  }
}

/**
 * An output that records items with the time of a test's clock. While blocked, it accepts no more.
 */
export class TimedOutput<T> implements OutputConfig<T> {
  readonly seen: { at: number; item: T }[] = [];
  readonly #clock: TestClock;
  #release: { promise: Promise<void>; resolve: () => void } | null = null;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  get items(): T[] {
    return this.seen.map(({ item }) => item);
  }

  /** Accepts nothing until `unblock`. */
  block(): void {
    this.#release = Promise.withResolvers();
  }

  unblock(): void {
    this.#release?.resolve();
    this.#release = null;
  }

  open() {
    return Promise.resolve({
      write: async (batch: readonly T[]) => {
        await this.#release?.promise;
        for (const item of batch) this.seen.push({ at: this.#clock.at, item });
      },
      prepare: () => Promise.resolve(new Map()),
      close: () => Promise.resolve(),
    });
  }
}

/**
 * An input on worker 0 that a test feeds while it runs. It continues after what an earlier run
 * read.
 */
export class FedInput<T> implements InputConfig<T> {
  /** What `idle` returns. */
  idle = true;
  /**
   * Makes a batch whenever there is nothing else, for an input that always has something to read.
   */
  filler: (() => T[]) | null = null;
  readonly #items: T[] = [];
  #ended = false;
  #waiting: (() => void)[] = [];

  push(...items: T[]): void {
    this.#items.push(...items);
    this.wake();
  }

  /** Makes the engine call `next` again. */
  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  end(): void {
    this.#ended = true;
    this.wake();
  }

  open({ workerIndex }: Place, resume: Positions): Promise<InputReader<T>> {
    let read = resume.get("all") as number ?? 0;
    return Promise.resolve({
      next: () => {
        if (workerIndex !== 0) return this.#ended ? null : [];
        const batch = this.#items.slice(read);
        read += batch.length;
        if (batch.length > 0) return batch;
        return this.#ended ? null : this.filler?.() ?? [];
      },
      ready: () => new Promise((resolve) => this.#waiting.push(resolve)),
      idle: () => this.idle,
      positions: () => workerIndex === 0 ? new Map([["all", read]]) : new Map(),
      close: () => Promise.resolve(),
    });
  }
}
