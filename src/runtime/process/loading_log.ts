/**
 * Lines of log while workers take long to load the flow.
 *
 * `deno run` ends with an error where a top-level `await` never resolves. A worker does not: its
 * connection to the coordinator could still wake the module. So the run would wait in silence.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Clock, elapsedOf, wakeAfter } from "../../core/clock.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";

/** When the first line is written, in milliseconds; each later one after twice the time. */
const FIRST_MS = 10_000;

/** Writes the lines. */
export class LoadingLog {
  readonly #file: string;
  readonly #loading: () => readonly WorkerIndex[];
  readonly #clock: Clock;
  readonly #log: Log;
  #cancel: () => void = () => {};

  /**
   * Writes nothing yet.
   *
   * @param moduleUrl The flow's module.
   * @param loading Returns the workers that have not loaded it.
   */
  constructor(
    moduleUrl: string,
    loading: () => readonly WorkerIndex[],
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#file = moduleUrl.startsWith("file:") ? fileURLToPath(moduleUrl) : moduleUrl;
    this.#loading = loading;
    this.#clock = clock;
    this.#log = log;
  }

  /** The workers begin to load. */
  start(): void {
    this.#wait(elapsedOf(this.#clock), FIRST_MS);
  }

  /** All have loaded, or the run is over. */
  stop(): void {
    this.#cancel();
  }

  #wait(begun: number, ms: number): void {
    this.#cancel = wakeAfter(this.#clock, begun + ms - elapsedOf(this.#clock), () => {
      this.#log.warn(
        "the flow's module is still loading: a top-level await, a slow import or the function that " +
          "makes the flow may be the reason",
        { file: this.#file, workers: this.#loading().join(","), seconds: ms / 1000 },
      );
      this.#wait(begun, 2 * ms);
    });
  }
}
