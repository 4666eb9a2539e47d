/**
 * How a loop that is busy lets the rest of the process have its turn.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * How many immediates one turn takes. While something is ready to run, Deno's runtime asks the operating
 * system for finished reads and writes only every 61 of its own rounds (`event_interval` of Tokio's
 * scheduler), and an immediate is one round: with a single one after each 4 ms of work, 30 MB through a
 * socket took 5 to 20 s instead of 0.1. A timer of 0 ms would let it look too, but sleeps for a
 * millisecond. All of them together cost some 60 microseconds.
 */
const ROUNDS = 64;

/** Lets timers run, and reads and writes go on. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    let rounds = 0;
    const round = () => {
      if (++rounds === ROUNDS) resolve();
      else setImmediate(round);
    };
    setImmediate(round);
  });
}

/** How long a piece of long work may take before the event loop runs. */
const SLICE_MS = 8;

/** Parts long work, such as reading a store, into pieces, between which the event loop runs. */
export class TimeSlice {
  #startedMs = performance.now();

  /** Whether the current piece has taken long enough. */
  get isOver(): boolean {
    return performance.now() - this.#startedMs > SLICE_MS;
  }

  /** Lets the event loop run, then begins the next piece. */
  async renew(): Promise<void> {
    await yieldToEventLoop();
    this.#startedMs = performance.now();
  }
}
