import type { ClusterResult } from "../../../src/runtime/process/job.ts";
import type { RestartedRun } from "../../../src/runtime/process/restarts.ts";

/** The result of a run whose inputs have ended. */
export const FINISHED: ClusterResult = { steps: [], stopped: false, exitCode: 0 };

/** A run of worker processes that the test plays. */
export class PlayedRun implements RestartedRun {
  readonly #over: PromiseWithResolvers<ClusterResult> = Promise.withResolvers();
  hasBegun = true;
  isWaiting = false;
  isAskedToStop = false;
  /** What it was told, in order. */
  readonly told: string[] = [];

  run(): Promise<ClusterResult> {
    this.told.push("run");
    return this.#over.promise;
  }

  stop(): void {
    this.told.push("stop");
    this.isAskedToStop = true;
  }

  kill(): void {
    this.told.push("kill");
  }

  /** The run fails. */
  fails(error: Error): void {
    this.#over.reject(error);
  }

  /** Its inputs have ended. */
  ends(): void {
    this.#over.resolve(FINISHED);
  }
}
