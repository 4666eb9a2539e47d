/**
 * Logs that a broker throttles this client because of a quota.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";

/** After this time without throttling, the next one is logged again, in milliseconds. */
const OVER_MS = 60_000;

/** Follows how brokers throttle the requests of one connector. */
export class Throttling {
  readonly #log: Log;
  readonly #now: () => number;
  #until = -Infinity;

  /** `now` returns milliseconds of a clock that never goes back. */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** A broker has asked for a pause of `ms` milliseconds. */
  asked(broker: string, ms: number): void {
    const now = this.#now();
    if (now >= this.#until + OVER_MS) {
      this.#log.warn("a broker throttles this client: a quota of it is used up", {
        broker,
        pauseMs: ms,
      });
    }
    this.#until = Math.max(this.#until, now + ms);
  }
}
