/**
 * Runs a flow on worker processes.
 *
 * @module
 */
import type { Duration } from "../../core/duration.ts";
import { KEY_GROUPS } from "../../core/key_groups.ts";
import { type Log, type LogLevel, silentLog } from "../../core/log.ts";
import { requireOptions } from "../../core/options.ts";
import type { ApiOptions } from "../../ops/access.ts";
import { type ApiServer, serveApi } from "../../ops/server.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import { flowName, refuseNesting, spawnFacts } from "../nesting.ts";
import { epochMilliseconds } from "../run.ts";
import { type StepChangeOptions, stepChangesOf } from "../step_changes.ts";
import { stopMilliseconds, type StopOptions } from "../stop_limit.ts";
import { Coordinator } from "./coordinator.ts";
import type { ClusterResult, Job } from "./job.ts";
import { ProgressLog } from "./progress_log.ts";
import { RunMonitor } from "./run_monitor.ts";
import { runWithRestarts } from "./restarts.ts";
import type { RunStatus } from "./run_status.ts";
import type { OutputTaps } from "./spawn.ts";
import { Telemetry } from "./telemetry.ts";
import { permissionFlags, refusePermissionSets } from "./worker_flags.ts";

export type { ClusterResult };

/** Options of {@linkcode spawnCluster}. */
export interface ClusterOptions extends StepChangeOptions, StopOptions {
  /**
   * How many worker processes share the work: 1 to 1024.
   *
   * @default {1}
   */
  readonly workers?: number;
  /**
   * The export of the module that is the flow, or a function that returns it.
   *
   * @default {"default"}
   */
  readonly exportName?: string;
  /** The flow's `Deno.args`, and the argument of a function that returns the flow. */
  readonly args?: readonly string[];
  /** Epochs, the units of recovery. */
  readonly epoch?: {
    /**
     * The least length of an epoch.
     *
     * @default {{ seconds: 10 }}
     */
    readonly interval: Duration;
  };
  /**
   * How often a failed run is started again, with a pause of 1 s that doubles up to 30 s. After a
   * run of a minute, the count starts over. The same error at the same item is tried again too: a
   * service that the step asks may be back. A flow that cannot be loaded, or does not fit its
   * store, is not started again.
   *
   * @default {0}
   */
  readonly restarts?: number;
  /**
   * Deno's flags for the workers, instead of `-A`: permissions such as `--allow-net=kafka:9092`, or
   * `--v8-flags=--max-old-space-size=4096`. A permission set of `deno.json` is refused. Each worker
   * also gets what it needs itself: see docs/security.md.
   */
  readonly workerFlags?: readonly string[];
  /**
   * Where the flow's state is kept. A run continues after the last snapshot of the run before, with
   * any number of workers.
   *
   * @default {nowhere}
   */
  readonly recovery?: RecoveryConfig;
  /** Stops the run gracefully when it aborts, within `stopTimeout`. */
  readonly signal?: AbortSignal;
  /** Kills the workers when it aborts; the run rejects. */
  readonly killSignal?: AbortSignal;
  /**
   * Accepts log lines of the coordinator and the workers.
   *
   * @default {silent}
   */
  readonly log?: Log;
  /**
   * The least level of log that workers send.
   *
   * @default {"info"}
   */
  readonly logLevel?: LogLevel;
  /** Called a few times a second with the progress of the run. */
  readonly onStatus?: (status: RunStatus) => void;
  /**
   * Where to answer questions about the run over HTTP: health, metrics, the graph.
   *
   * @default {nowhere}
   */
  readonly api?: ApiOptions;
  /** Accept what workers print. Without them, workers print to this process's own outputs. */
  readonly taps?: OutputTaps;
}

const OPTIONS: readonly (keyof ClusterOptions)[] = [
  "workers",
  "exportName",
  "args",
  "epoch",
  "restarts",
  "workerFlags",
  "recovery",
  "renameSteps",
  "dropSteps",
  "signal",
  "stopTimeout",
  "killSignal",
  "log",
  "logLevel",
  "onStatus",
  "api",
  "taps",
];

/** How often workers say how far they are, in milliseconds: where somebody looks, and else. */
const WATCHED_MS = 250;
const UNWATCHED_MS = 2_000;

/**
 * Runs a flow on worker processes of this machine.
 *
 * @param moduleUrl The module that exports the flow: an absolute URL.
 * @returns Counts for each step, and the exit code that the flow has set, if any. It resolves once
 * the inputs have ended or a graceful stop is done, and every output has made everything durable.
 * @throws {StepError} If a step fails.
 * @throws {Error} If a graceful stop takes longer than `stopTimeout`, and no recovery store lets a
 * later run continue.
 * @throws {UsageError} If the export is missing or not a flow, or `workerFlags` names a permission
 * set of `deno.json`.
 * @throws {RangeError} If `workers` or `restarts` is not a valid number, the epoch interval is
 * negative, or `stopTimeout` is not above zero.
 * @throws {RecoveryError} If the recovery store cannot be used, or holds something of a step that
 * the flow does not have.
 * @throws {TypeError} If an option is unknown.
 * @throws {Error} If it is called in a worker, such as by a flow's own module without
 * `if (import.meta.main)`, or in a program made with `deno compile`. Both would never end.
 *
 * @example
 * ```ts
 * import { spawnCluster } from "@millrace/millrace";
 *
 * if (import.meta.main) {
 *   const { steps } = await spawnCluster(import.meta.resolve("./flow.ts"), { workers: 4 });
 *   console.log(steps);
 * }
 * ```
 */
export async function spawnCluster(
  moduleUrl: string | URL,
  options: ClusterOptions = {},
): Promise<ClusterResult> {
  requireOptions("spawnCluster", options, OPTIONS);
  await using cluster = await openCluster(moduleUrl, options);
  const { job } = cluster;
  return await runWithRestarts(job, options, () => new Coordinator(job));
}

/** What all runs of a flow have in common. Disposed of when none follows. */
export interface Cluster extends AsyncDisposable {
  readonly job: Job;
}

/**
 * Opens what is there before, between and after the runs of a flow, such as the operations port.
 *
 * @throws As {@linkcode spawnCluster} does for wrong options.
 */
export async function openCluster(
  moduleUrl: string | URL,
  options: ClusterOptions,
): Promise<Cluster> {
  const { restarts = 0, logLevel = "info" } = options;
  requireInteger("workers", options.workers ?? 1, 1, KEY_GROUPS);
  requireInteger("restarts", restarts, 0, Number.MAX_SAFE_INTEGER);
  refusePermissionSets(options.workerFlags ?? [], "workerFlags");
  const { href } = new URL(moduleUrl);
  const flow = flowName(href, options.exportName ?? null);
  const facts = spawnFacts();
  refuseNesting(flow, facts);
  const ownLog = options.log ?? silentLog;
  const intervalMs = epochMilliseconds(options.epoch);
  await using opened = new AsyncDisposableStack();
  const telemetry = opened.use(Telemetry.open(href, ownLog));
  const isWatched = options.api !== undefined || telemetry !== null;
  const monitor = isWatched ? new RunMonitor(intervalMs) : null;
  const toldLog = telemetry?.logTo(ownLog, logLevel) ?? ownLog;
  const log = monitor?.log.over(toldLog) ?? toldLog;
  const running = [...facts.running, flow];
  const job = jobOf(href, { ...options, log }, { running, intervalMs, monitor, telemetry });
  if (monitor !== null) telemetry?.watch(monitor);
  if (options.api !== undefined && monitor !== null) {
    opened.use(await openApi(options.api, monitor, log));
  }
  const kept = opened.move();
  return { job, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function openApi(options: ApiOptions, monitor: RunMonitor, log: Log): Promise<ApiServer> {
  const server = await serveApi(options, monitor, log);
  log.info("operations port", { url: server.url });
  return server;
}

function jobOf(
  moduleUrl: string,
  options: ClusterOptions,
  run: Pick<Job, "running" | "intervalMs" | "monitor" | "telemetry">,
): Job {
  const { log = silentLog, logLevel = "info", workers = 1, onStatus, taps = {} } = options;
  const progress = new ProgressLog(log, () => performance.now());
  return {
    moduleUrl,
    exportName: options.exportName ?? null,
    args: options.args ?? [],
    workers,
    flags: (folder) => permissionFlags(options.workerFlags ?? null, { folder, moduleUrl, workers }),
    log,
    logLevel,
    statusMs: onStatus === undefined && options.api === undefined ? UNWATCHED_MS : WATCHED_MS,
    onStatus: (status) => {
      progress.update(status);
      onStatus?.(status);
    },
    onRunning: () => progress.begun(),
    taps,
    recovery: options.recovery ?? null,
    stepChanges: stepChangesOf(options),
    stopMs: stopMilliseconds(options),
    ...run,
  };
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw new RangeError(`${name} must be a whole number ${range}; got ${value}`);
}
