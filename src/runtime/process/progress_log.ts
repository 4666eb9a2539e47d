/**
 * Now and then a line of log for each worker: how much it has done, and how fast.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import type { RunStatus, WorkerItems } from "./run_status.ts";

/** How often, in milliseconds. */
const EVERY_MS = 10_000;

/** Writes the lines. */
export class ProgressLog {
  readonly #log: Log;
  readonly #now: () => number;
  #last: { at: number; workers: readonly WorkerItems[] };

  /** `now` gives milliseconds. */
  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
    this.#last = { at: now(), workers: [] };
  }

  /** The flow begins to run: what came before is start-up time. */
  begun(): void {
    this.#last = { at: this.#now(), workers: [] };
  }

  /** Notes how far the run is, and writes if it is time. */
  update({ workers, waitingFor }: RunStatus): void {
    const at = this.#now();
    const { at: before, workers: earlier } = this.#last;
    if (at - before < EVERY_MS) return;
    this.#last = { at, workers };
    for (const { worker, in: into, out } of workers) {
      // After a restart it counts from zero again.
      const since = Math.max(0, into - (earlier[worker]?.in ?? 0));
      const perSecond = Math.round(since * 1000 / (at - before));
      const fields = { worker, in: into, out, perSecond };
      if (waitingFor.length === 0) this.#log.info("progress", fields);
      else this.#log.info("progress", { ...fields, waitingFor: waitingFor.join(",") });
    }
  }
}
