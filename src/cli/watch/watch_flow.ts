/**
 * Runs a flow, and its new code whenever its files change.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "../../core/clock.ts";
import { UsageError } from "../../core/errors.ts";
import { MemoryRecoveryConfig } from "../../recovery/memory_store.ts";
import { type ClusterOptions, openCluster } from "../../runtime/process/cluster.ts";
import { CodeRun } from "../../runtime/process/code_run.ts";
import { StepMatchError } from "../../runtime/step_changes.ts";
import { localModules } from "./local_modules.ts";
import { Reloader } from "./reloader.ts";
import { WatchedFiles } from "./watched_files.ts";

/** What the command does besides. */
export interface WatchHost {
  /** Checks the types of the flow. Rejects if they are refused. */
  check(): Promise<void>;
  /** Shows an error as that which ends a run is shown. */
  showError(error: unknown): void;
  /** Nothing runs: what is shown of a run's progress goes. */
  idles(): void;
}

/**
 * Makes sure that the files of a flow can be watched.
 *
 * @throws {UsageError} If its module is not a local file.
 */
export function requireLocal(moduleUrl: string): void {
  if (moduleUrl.startsWith("file:")) return;
  throw new UsageError(`--watch needs a flow in a local file; got ${moduleUrl}`);
}

/**
 * Runs a flow until it is stopped. Returns the exit code of the last run.
 *
 * @param moduleUrl The flow's module, as an absolute URL of a local file.
 * @param options As for `spawnCluster`. Without a recovery store, state is kept in this process.
 * @throws {Error} What a run fails with while it is stopped.
 */
export async function watchFlow(
  moduleUrl: string,
  options: ClusterOptions,
  host: WatchHost,
): Promise<number> {
  const { signal, killSignal, restarts = 0, workerFlags = [] } = options;
  const ownState = options.recovery === undefined ? new MemoryRecoveryConfig() : null;
  const recovery = options.recovery ?? ownState!;
  await using cluster = await openCluster(moduleUrl, { ...options, recovery });
  // State in this process is gone when the command ends.
  const outlivesRun = () => ownState === null || reloader.isReloading;
  const job = { ...cluster.job, outlivesRun };
  const { log, monitor } = job;
  const files = new WatchedFiles(() => reloader.change(), { clock: systemClock });
  const waits = () => {
    host.idles();
    monitor?.waitsForChange();
    log.info("waiting for a change", { files: files.paths.length });
  };
  const show = (error: unknown) => {
    host.showError(error);
    if (!(error instanceof StepMatchError)) return;
    log.warn(
      ownState === null
        ? "give the steps the names back that they had, or stop and start again with such an option"
        : "give the steps the names back that they had, or stop and start again: without " +
          "--recovery, that begins without state",
    );
  };
  /** Looks at the files of the code that is being loaded. What is not known yet stays watched. */
  const follow = async (loadedAt: number) => {
    const { paths, isComplete } = await localModules({ moduleUrl, workerFlags, cwd: Deno.cwd() });
    await files.watch(isComplete ? paths : new Set([...files.paths, ...paths]), loadedAt);
  };
  let following = Promise.resolve();
  const reloader = new Reloader({
    load: () => {
      const loadedAt = Date.now();
      following = following.then(() => follow(loadedAt)); // one at a time: the last one counts
      return new CodeRun(job, restarts);
    },
    check: async () => {
      await Promise.all([following, host.check()]);
    },
    startsOver: async () => {
      await ownState?.drop();
    },
    reloads: () => {
      log.info("the code has changed: reloading");
      monitor?.reloads();
    },
    refused: (error, goesOn) => {
      show(error);
      monitor?.log.failed(error);
      if (goesOn) return log.warn("the new code is not run: the old run goes on");
      monitor?.fails();
      waits();
    },
    failed: (error, isReplaced) => {
      show(error);
      if (!isReplaced) waits();
    },
    finished: waits,
  });
  const stop = () => reloader.stop();
  const kill = () => reloader.kill();
  signal?.addEventListener("abort", stop);
  killSignal?.addEventListener("abort", kill);
  if (signal?.aborted) stop();
  if (killSignal?.aborted) kill();
  try {
    await files.watch([fileURLToPath(moduleUrl)], Infinity);
    files.start();
    return await reloader.run();
  } finally {
    files.stop();
    await following;
    signal?.removeEventListener("abort", stop);
    killSignal?.removeEventListener("abort", kill);
  }
}
