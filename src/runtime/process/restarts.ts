/**
 * Starts a failed run again.
 *
 * @module
 */
import { type Clock, elapsedOf, systemClock, waitFor } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { StepMatchError } from "../step_changes.ts";
import type { Coordinator } from "./coordinator.ts";
import type { ClusterResult, Job } from "./job.ts";
import type { Telemetry } from "./telemetry.ts";

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

/** What of a coordinator matters here. */
export type RestartedRun = Pick<
  Coordinator,
  "run" | "stop" | "kill" | "hasBegun" | "isWaiting" | "isAskedToStop"
>;

/** Those that are told of failures. */
export interface FailureListeners extends Pick<Job, "log" | "monitor"> {
  readonly telemetry: Pick<Telemetry, "failed"> | null;
}

/**
 * Runs a job, and again after failures.
 *
 * @param next Returns what conducts the next run, from the first one on.
 * @throws {Error} What made the last run fail.
 */
export async function runWithRestarts(
  { log, monitor, telemetry }: FailureListeners,
  options: RestartOptions,
  next: () => RestartedRun,
  clock: Clock = systemClock,
): Promise<ClusterResult> {
  const { signal, killSignal, restarts = 0 } = options;
  const stopped = AbortSignal.any([signal, killSignal].filter((each) => each !== undefined));
  let hasLoaded = false;
  for (let failures = 0;;) {
    const coordinator = next();
    const started = elapsedOf(clock);
    try {
      return await runOnce(coordinator, options);
    } catch (error) {
      if (coordinator.isWaiting) throw error; // another run goes on
      if (elapsedOf(clock) - started >= LASTING_MS) failures = 0;
      const given = coordinator.isAskedToStop || killSignal?.aborted;
      // Once the flow could be loaded, a process that was killed meanwhile is the likelier reason.
      hasLoaded ||= coordinator.hasBegun;
      const isLasting = !hasLoaded || error instanceof StepMatchError;
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
      if (!await waitFor(clock, pauseMs, stopped)) {
        monitor?.fails();
        throw error;
      }
    }
  }
}

async function runOnce(
  coordinator: RestartedRun,
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
