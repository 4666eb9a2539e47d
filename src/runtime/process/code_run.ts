/**
 * Runs of a flow whose code changes meanwhile.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { Coordinator, type CoordinatorOptions } from "./coordinator.ts";
import type { ClusterResult, Job } from "./job.ts";
import { runWithRestarts } from "./restarts.ts";

/** What the runs of a {@linkcode CodeRun} are made with. */
export interface CodeRunParts {
  /** Makes what conducts a run. */
  readonly conduct?: (options: CoordinatorOptions) => Coordinator;
  readonly clock?: Clock;
}

/**
 * The code of a flow as it is now: workers load it at once, and run it when they are told to. After
 * failures it is started again.
 */
export class CodeRun {
  /** Resolves when the run is over. Rejects with what the code or the last run failed with. */
  readonly over: Promise<ClusterResult>;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  readonly #first: Coordinator;
  #current: Coordinator;

  /**
   * Starts the workers, and has them load the flow.
   *
   * @param restarts How often it is started again after failures.
   * @param parts Tests replace them.
   */
  constructor(job: Job, restarts: number, {
    conduct = (options) => new Coordinator(job, options),
    clock,
  }: CodeRunParts = {}) {
    const [signal, killSignal] = [this.#stop.signal, this.#kill.signal];
    this.#first = this.#current = conduct({ waits: true });
    const ready = [this.#first];
    const next = () => this.#current = ready.pop() ?? conduct({});
    this.over = runWithRestarts(job, { restarts, signal, killSignal }, next, clock);
    this.over.catch(() => {}); // it may fail before anybody asks
  }

  /** Resolves when all workers have loaded the flow. Rejects where they cannot. */
  get loaded(): Promise<void> {
    return this.#first.loaded;
  }

  /** Begins to run. */
  begin(): void {
    this.#first.begin();
  }

  /**
   * Refuses other code if it could not go on with what this run would leave behind now.
   *
   * @throws {RecoveryError} If it could not.
   */
  async refuseMisfit(next: CodeRun): Promise<void> {
    await this.#current.refuseMisfit(next.#first);
  }

  /** Stops the run gracefully. */
  stop(): void {
    this.#stop.abort();
  }

  /** Stops it at once: it fails. */
  kill(): void {
    this.#kill.abort();
  }
}
