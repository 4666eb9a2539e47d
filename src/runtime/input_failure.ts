/**
 * The end of a run after an input failed, if there is no recovery store. No later run can read
 * again what was on its way, so it is worked off first, as at a graceful stop.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** How long the work may take, so that an output that hangs does not hide the error. */
const WORK_OFF_MS = 5_000;

/** What an {@linkcode InputFailure} does to its run. */
export interface FailingRun {
  readonly clock: Clock;
  readonly log: Log;
  /** Stops it gracefully. */
  stop(): void;
  /** Ends it at once. */
  fail(error: Error): void;
}

/** Keeps the first error of an input until the run is over. */
export class InputFailure {
  readonly #run: FailingRun;
  #error: Error | null = null;
  #cancel: () => void = () => {};

  /** No input has failed yet. */
  constructor(run: FailingRun) {
    this.#run = run;
  }

  /** The error; `null` as long as no input has failed. */
  get error(): Error | null {
    return this.#error;
  }

  /** An input has failed: the run is stopped. */
  occurred(error: Error): void {
    if (this.#error !== null) return;
    this.#error = error;
    const { clock, log } = this.#run;
    log.info("an input failed; what was read before is worked off", { error: messageOf(error) });
    this.#cancel = wakeAfter(clock, WORK_OFF_MS, () => this.#run.fail(error));
    this.#run.stop();
  }

  /** The run is over. */
  close(): void {
    this.#cancel();
  }
}
