/**
 * How a busy loop lets the rest of the process run.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * How many immediates one yield consists of.
 *
 * While something is ready to run, Deno's runtime asks the operating system for finished reads and
 * writes only every 61 rounds (`event_interval` of Tokio's scheduler). An immediate is one round.
 * With a single one after each 4 ms of work, 30 MB through a socket took 5 to 20 s instead of 0.1
 * s. A timer of 0 ms lets the runtime look too, but sleeps for a millisecond. All 64 immediates
 * together cost some 60 microseconds.
 */
const ROUNDS = 64;

/** Lets timers run, and reads and writes continue. */
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
