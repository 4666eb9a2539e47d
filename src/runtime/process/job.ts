/**
 * What a coordinator is given, and what it returns.
 *
 * @module
 */
import type { Log, LogLevel } from "../../core/log.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import type { RunResult } from "../run/run_settings.ts";
import type { StepChanges } from "../step_changes.ts";
import type { RunMonitor } from "./run_monitor.ts";
import type { RunStatus } from "./run_status.ts";
import type { OutputTaps } from "./spawn.ts";
import type { Telemetry } from "./telemetry.ts";

/** The result of a run on worker processes. */
export interface ClusterResult extends RunResult {
  /**
   * What the flow has set as `Deno.exitCode` or `process.exitCode`: that of the first worker where
   * it is not 0, else 0.
   */
  readonly exitCode: number;
}

/** What a coordinator runs, and how. */
export interface Job {
  readonly moduleUrl: string;
  readonly exportName: string | null;
  readonly args: readonly string[];
  readonly workers: number;
  /** Deno's flags for the workers, given the run's folder. */
  readonly flags: (folder: string | null) => readonly string[];
  readonly intervalMs: number;
  readonly log: Log;
  readonly logLevel: LogLevel;
  /** How often workers say how far they are, in milliseconds. */
  readonly statusMs: number;
  readonly onStatus: (status: RunStatus) => void;
  /** Called when the flow begins to run. */
  readonly onRunning: () => void;
  /** Notes what happens, for the operations port and telemetry; `null` where there is neither. */
  readonly monitor: RunMonitor | null;
  /** Exports it; `null` where nothing is exported. */
  readonly telemetry: Telemetry | null;
  readonly recovery: RecoveryConfig | null;
  /** Returns whether a later run can continue from that store; absent: it can. */
  readonly outlivesRun?: () => boolean;
  readonly stepChanges: StepChanges;
  /** The flow, after those that the processes above this one run. */
  readonly running: readonly string[];
  readonly taps: OutputTaps;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
}
