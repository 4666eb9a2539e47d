/**
 * How a run is conducted, and its result.
 *
 * @module
 */
import type { Epoch } from "../../core/ids.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import type { StepCounts } from "../counts.ts";
import type { StepChanges } from "../step_changes.ts";
import type { ReportOf } from "./messages.ts";

/** The result of a run. */
export interface RunResult {
  /**
   * Items in and out of each step, in the order the steps were written. Empty where the run was
   * stopped before its flow had been opened.
   */
  readonly steps: readonly StepCounts[];
  /** Whether it was stopped before its inputs ended. */
  readonly stopped: boolean;
}

/**
 * How long workers get to leave by themselves, in milliseconds; `null` for as long as they need.
 */
export interface LeaveTimes {
  /** When all is done. */
  readonly done: number | null;
  /** After a failure. */
  readonly failed: number | null;
  /** After a stop that came before anything was read. */
  readonly early: number;
  /** After it was stopped at once; the recovery store may take as long to close. */
  readonly killed: number;
}

/** How a run is conducted. */
export interface ConductorSettings {
  readonly recovery: RecoveryConfig | null;
  /**
   * Returns whether a later run can continue from the recovery store. Asked when a stop has come to
   * its limit.
   *
   * @default {() => true}
   */
  readonly outlivesRun?: () => boolean;
  readonly stepChanges: StepChanges;
  /** How long an epoch lasts, in milliseconds. */
  readonly intervalMs: number;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
  readonly leaveMs: LeaveTimes;
  readonly clock: Clock;
  readonly log: Log;
}

/** What it took to write an epoch. */
export interface CommitCost {
  /** How long the recovery store took, in milliseconds. */
  readonly ms: number;
  /** The bytes of the states and positions that it was given. */
  readonly bytes: number;
}

/** Is told how the run goes on. */
export interface RunObserver {
  /** All workers have loaded the same flow. Awaited if the run is to wait. */
  loaded?(flow: ReportOf<"loaded">): Promise<void> | void;
  /** All workers have opened outputs and inputs, and are connected. Awaited. */
  opened?(): Promise<void>;
  /** Items are to move from now on; `epoch` begins. */
  running?(epoch: Epoch): void;
  /** An epoch is to end, on all workers. */
  closing?(epoch: Epoch): void;
  /** It has been committed. */
  committed?(epoch: Epoch, cost: CommitCost): void;
  /** The run has been asked to stop. */
  stopping?(): void;
  /** The run is over, and well; not told of one that is cut short. */
  finished?(stopped: boolean): void;
}
