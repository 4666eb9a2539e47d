/**
 * Starts a failed run again.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import { StepMatchError } from "../step_changes.ts";
import { type ClusterResult, Coordinator, type Job } from "./coordinator.ts";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** A run that lasted this time, in milliseconds, has nothing to do with the failures before it. */
const LASTING_MS = 60_000;

/** What ends a run, and how often it is started again. */
export interface RestartOptions {
  /** How often a failed run is started again; absent for never. */
  readonly restarts?: number;
  /** Stops the run gracefully. */
  readonly signal?: AbortSignal;
  /** Ends it at once. */
  readonly killSignal?: AbortSignal;
}

/**
 * Runs a job, and again after failures.
 *
 * @param first Conducts the first run.
 * @param onNext Is told who conducts each later one.
 * @throws {Error} What made the last run fail.
 */
export async function runWithRestarts(
  job: Job,
  options: RestartOptions,
  first: Coordinator = new Coordinator(job),
  onNext: (next: Coordinator) => void = () => {},
): Promise<ClusterResult> {
  const { signal, killSignal, restarts = 0 } = options;
  const { log, monitor, telemetry } = job;
  let coordinator = first;
  for (let failures = 0;;) {
    const started = performance.now();
    try {
      return await runOnce(coordinator, options);
    } catch (error) {
      if (coordinator.isWaiting) throw error; // another run goes on
      if (performance.now() - started >= LASTING_MS) failures = 0;
      const given = coordinator.isAskedToStop || killSignal?.aborted;
      const isLasting = !coordinator.hasBegun || error instanceof StepMatchError;
      monitor?.log.failed(error);
      if (given || failures >= restarts || isLasting) {
        monitor?.fails();
        telemetry?.failed(messageOf(error));
        throw error;
      }
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS);
      log.error("the run failed and is started again", {
        error: messageOf(error),
        restart: failures,
        of: restarts,
        pauseMs,
      });
      monitor?.restarts(error);
      if (!await pause(pauseMs, [signal, killSignal])) {
        monitor?.fails();
        throw error;
      }
    }
    onNext(coordinator = new Coordinator(job));
  }
}

async function runOnce(
  coordinator: Coordinator,
  { signal, killSignal }: RestartOptions,
): Promise<ClusterResult> {
  const stop = () => coordinator.stop();
  const kill = () => coordinator.kill();
  signal?.addEventListener("abort", stop, { once: true });
  killSignal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted) stop();
  if (killSignal?.aborted) kill();
  try {
    return await coordinator.run();
  } finally {
    signal?.removeEventListener("abort", stop);
    killSignal?.removeEventListener("abort", kill);
  }
}

/** Waits. Returns whether it was for the whole time. */
function pause(ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (whole: boolean) => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener("abort", cut);
      resolve(whole);
    };
    const cut = () => end(false);
    const timer = setTimeout(() => end(true), ms);
    for (const signal of signals) signal?.addEventListener("abort", cut);
  });
}
