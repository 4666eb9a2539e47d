/**
 * What the conductor of a run and its workers say to one another, in this process or between
 * processes.
 *
 * ```text
 *   worker                          conductor
 *     ── loaded ─────────────────────▶       all workers must have the same steps
 *     ◀───────────────────────── plan ──     worker 0 only: how inputs are shared out
 *     ── planned ────────────────────▶
 *     ◀───────────────────────── open ──
 *     ── opened ─────────────────────▶       connected to the others; inputs and outputs are open
 *     ◀──────────────────────── state ──     keys of the last snapshot, in chunks
 *     ◀────────────────────────── run ──     all are: nobody reads before
 *     ◀─ closeEpoch, commitEpoch, stop ─
 *     ── stateChanged, epochClosed ──▶       the snapshot, and that all before it is durable
 *     ── ended ──────────────────────▶       its inputs have ended, all is durable
 *     ◀─────────────────────── finish ──     all have: outputs make the last epoch visible
 *     ── settled ────────────────────▶       outputs have other positions after their last commit
 *     ── finished ───────────────────▶
 * ```
 *
 * A graceful stop that takes too long goes on like this:
 *
 * ```text
 *     ◀─────────────────────── giveUp ──     calls of mapAsync are to end
 *     ── gaveUp ─────────────────────▶       one has: the stop cannot be completed
 *     ◀───────────────────── cutShort ──     the run ends without the rest
 *     ── left ───────────────────────▶       what the rest is; the worker leaves
 * ```
 *
 * A `failed` may come from a worker at any time, and is the last thing it says.
 *
 * @module
 */
import type { Epoch, StepId } from "../../core/ids.ts";
import type { PlaceRecovery } from "../../graph/contracts.ts";
import type { StateChunk, StoredKey, StoredPosition } from "../../recovery/store.ts";
import type { StepCounts } from "../counts.ts";
import type { KeyNumbering } from "../keyed/key_ids.ts";
import type { FlowSteps } from "../step_changes.ts";
import type { LeftStep } from "../stop_limit.ts";
import type { InputPlans } from "../worker_io.ts";

/** From the conductor to a worker. */
export type Instruction =
  | {
    readonly kind: "plan";
    readonly positions: readonly StoredPosition[];
    readonly recovery: PlaceRecovery | null;
  }
  | {
    readonly kind: "open";
    readonly epoch: Epoch;
    readonly plans: InputPlans;
    /** Where inputs and outputs were at the last snapshot. */
    readonly positions: readonly StoredPosition[];
    /** How keys are numbered in snapshots; `null` where none are taken. */
    readonly snapshots: KeyNumbering | null;
    readonly recovery: PlaceRecovery | null;
  }
  | { readonly kind: "state"; readonly step: StepId; readonly keys: readonly StoredKey[] }
  | { readonly kind: "run" }
  | { readonly kind: "closeEpoch"; readonly epoch: Epoch }
  | { readonly kind: "commitEpoch"; readonly epoch: Epoch }
  /** The worker is to log which steps hold up the end of an epoch. */
  | { readonly kind: "stillClosing"; readonly epoch: Epoch; readonly ms: number }
  | { readonly kind: "stop" }
  | { readonly kind: "finish"; readonly epoch: Epoch }
  | { readonly kind: "giveUp" }
  | { readonly kind: "cutShort" };

/** From a worker to the conductor. Errors are whatever was thrown. */
export type Report =
  | {
    readonly kind: "loaded";
    readonly flow: string;
    /** How many steps the user wrote. */
    readonly written: number;
    /** Each step with what is upstream of it, as text. */
    readonly steps: readonly string[];
    /** The steps that may have something stored. */
    readonly stored: FlowSteps;
  }
  | { readonly kind: "planned"; readonly plans: InputPlans }
  | { readonly kind: "opened"; readonly positions: readonly StoredPosition[] }
  | { readonly kind: "stateChanged"; readonly epoch: Epoch; readonly chunk: StateChunk }
  | {
    readonly kind: "epochClosed";
    readonly epoch: Epoch;
    readonly positions: readonly StoredPosition[];
  }
  | { readonly kind: "stopRequested" }
  | { readonly kind: "gaveUp" }
  | { readonly kind: "left"; readonly steps: readonly LeftStep[] }
  /** The run is to be stopped gracefully, and then to fail with this. */
  | { readonly kind: "inputFailed"; readonly error: Error }
  | {
    readonly kind: "ended";
    readonly stopped: boolean;
    /** The last epoch that anything belongs to. */
    readonly epoch: Epoch;
    readonly positions: readonly StoredPosition[];
  }
  /** After `ended`: the positions in place of those, as the last commit has changed them. */
  | {
    readonly kind: "settled";
    readonly epoch: Epoch;
    readonly positions: readonly StoredPosition[];
  }
  | { readonly kind: "finished"; readonly steps: readonly StepCounts[] }
  | { readonly kind: "failed"; readonly error: unknown };

/** The instruction of a kind. */
export type InstructionOf<K extends Instruction["kind"]> = Extract<Instruction, { kind: K }>;

/** The report of a kind. */
export type ReportOf<K extends Report["kind"]> = Extract<Report, { kind: K }>;
