/**
 * The log lines of worker processes.
 *
 * What happens to all workers at once, such as a broker that goes away, each of them reports. So a
 * warning is held for a short time, and written once for all workers that gave it.
 *
 * @module
 */
import { type Clock, elapsedOf, wakeAfter } from "../../core/clock.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import { LOG_LEVELS, type LogFields, type LogLevel } from "../../core/log.ts";
import type { WorkerLine } from "./remote_worker.ts";

/** How long a warning waits for the same warning of other workers, in milliseconds. */
const HOLD_MS = 2_000;

/** Writes a line, whose fields name the worker. */
type WriteLine = (level: LogLevel, message: string, fields: LogFields) => void;

/** A warning that waits for other workers. */
interface Held {
  readonly message: string;
  readonly fields: LogFields; // without the error
  readonly key: string; // both as text
  readonly errors: Set<string>;
  readonly workers: WorkerIndex[];
  readonly due: number;
}

/** Writes them. */
export class WorkerLog {
  readonly #workers: number;
  readonly #clock: Clock;
  readonly #write: WriteLine;
  #held: Held[] = []; // oldest first
  #cancel: (() => void) | null = null;

  /** Writes nothing yet. `workers` is how many there are. */
  constructor(
    workers: number,
    { clock, write }: { readonly clock: Clock; readonly write: WriteLine },
  ) {
    this.#workers = workers;
    this.#clock = clock;
    this.#write = write;
  }

  /**
   * Accepts a line of a worker.
   *
   * @throws {Error} If its level is unknown.
   */
  accept(worker: WorkerIndex, { level, message, fields }: WorkerLine): void {
    if (!LOG_LEVELS.includes(level)) throw new Error(`worker ${worker} logs at no level of ours`);
    if (this.#workers === 1) return this.#write(level, message, fields);
    const { worker: _, ...others } = fields; // which it is, is not for it to say
    if (level === "warn") return this.#hold(worker, message, others);
    if (level === "error") this.flush(); // what led to it comes first
    this.#write(level, message, { worker, ...others });
  }

  /** Writes what is held. */
  flush(): void {
    this.#writeFirst(this.#held.length);
  }

  #hold(worker: WorkerIndex, message: string, { error, ...fields }: LogFields): void {
    const key = JSON.stringify([message, fields, typeof error]);
    const same = this.#held.findLast((held) => held.key === key);
    const held = same === undefined || same.workers.includes(worker)
      ? { message, fields, key, errors: new Set<string>(), workers: [], due: this.#dueNow() }
      : same;
    if (held !== same) this.#held.push(held);
    held.workers.push(worker);
    if (error !== undefined) held.errors.add(String(error));
    if (held.workers.length === this.#workers) this.#writeFirst(this.#held.indexOf(held) + 1);
    else this.#wait();
  }

  #dueNow(): number {
    return elapsedOf(this.#clock) + HOLD_MS;
  }

  #wait(): void {
    if (this.#cancel !== null || this.#held.length === 0) return;
    const ms = this.#held[0].due - elapsedOf(this.#clock);
    this.#cancel = wakeAfter(this.#clock, ms, () => {
      this.#cancel = null;
      const now = elapsedOf(this.#clock);
      this.#writeFirst(this.#held.filter(({ due }) => due <= now).length);
    });
  }

  /** Writes the oldest ones: those before a line that is complete too, as they happened before. */
  #writeFirst(count: number): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const { message, fields, errors, workers } of this.#held.splice(0, count)) {
      const who: LogFields = workers.length === 1
        ? { worker: workers[0] }
        : { workers: workers.toSorted((a, b) => a - b).join(",") };
      const error: LogFields = errors.size === 0 ? {} : { error: [...errors].join("; ") };
      this.#write("warn", message, { ...who, ...fields, ...error });
    }
    this.#wait();
  }
}
