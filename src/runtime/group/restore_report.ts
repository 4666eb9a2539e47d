/**
 * Logs how far the restoring of tasks has come, if it takes long.
 *
 * @module
 */
import { type Clock, elapsedOf } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { TaskProgress } from "./runner_settings.ts";

/** How long restoring takes before the log says so, in milliseconds. */
const FIRST_MS = 2_000;

/** How often the log says it then, in milliseconds. */
const EVERY_MS = 5_000;

/** With less than this share done, the time that is left is a guess. */
const KNOWN_FROM = 0.02;

/** Looks at the tasks of a process now and then. */
export class RestoreReport {
  readonly #clock: Clock;
  readonly #log: Log;
  /** The share of each task that was restored since none was. */
  readonly #shares = new Map<TaskId, number>();
  #began = 0;
  #toldAt = 0;

  /** Has seen nothing yet. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Looks at the tasks as they are now. */
  look(tasks: readonly TaskProgress[]): void {
    const now = elapsedOf(this.#clock);
    const restoring = tasks.filter(({ phase }) => phase === "restoring");
    if (restoring.length === 0) return this.#shares.clear();
    if (this.#shares.size === 0) {
      this.#began = now;
      this.#toldAt = now + FIRST_MS - EVERY_MS;
    }
    for (const task of this.#shares.keys()) this.#shares.set(task, 1); // unless it is not over
    for (const { task, restored } of restoring) {
      const { done, total } = restored ?? { done: 0, total: 1 };
      this.#shares.set(task, total === 0 ? 1 : done / total);
    }
    if (now - this.#toldAt < EVERY_MS) return;
    this.#toldAt = now;
    const share = this.#shares.values().reduce((sum, each) => sum + each) / this.#shares.size;
    const left = (now - this.#began) * (1 - share) / share;
    this.#log.info(
      `restoring ${restoring.length} of ${tasks.length} tasks: ${Math.floor(share * 100)} %` +
        (share < KNOWN_FROM ? "" : `, ${Math.ceil(left / 1000)} s left`),
    );
  }
}
