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
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    let rounds = 0;
    const round = () => {
      if (++rounds === ROUNDS) resolve();
      else setImmediate(round);
    };
    setImmediate(round);
  });
}
