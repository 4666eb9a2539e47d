/**
 * What the coordinator and its workers say to one another: the whole control protocol.
 *
 * Messages travel over a local socket, as `core/value_codec.ts` writes them, each behind its length
 * (`exchange/frame_stream.ts`). Items never do. The handshake is no message but bytes (`handshake.ts`).
 *
 * ```text
 *   worker                          coordinator
 *     ◀───────────── handshake ──────▶       each proves to the other who it is, first of all
 *     ◀───────────────────────── load ──
 *     ── loaded ─────────────────────▶       all workers must have the same steps
 *     ◀───────────────────────── plan ──     worker 0 only: how inputs are shared out
 *     ── planned ────────────────────▶
 *     ◀───────────────────────── open ──
 *     ── opened ─────────────────────▶       connected to the others; inputs and outputs are open
 *     ◀──────────────────────── state ──     keys of the last snapshot, in chunks
 *     ◀────────────────────────── run ──     all are: nobody reads before
 *     ◀─ closeEpoch, commitEpoch, stop ─
 *     ── stateChanged, epochClosed ──▶       the snapshot, and that all before it is durable
 *     ── status, log ────────────────▶
 *     ── ended ──────────────────────▶       its inputs have ended, all is durable
 *     ◀─────────────────────── finish ──     all have: outputs make the last epoch visible
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
 * A `failed` may come from a worker at any time, and is the last thing it says; `abort` to the others
 * follows. Each `ping` is answered with a `pong`, unless a step is at work.
 *
 * @module
 */
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import { TooMuchMemoryError } from "../../core/value_reader.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { LogFields, LogLevel } from "../../core/log.ts";
import type { Progress } from "../../graph/contracts.ts";
import type { StateChunk, StoredKey, StoredPosition } from "../../recovery/store.ts";
import type { StepCounts } from "../counts.ts";
import type { KeyNumbering } from "../key_ids.ts";
import type { FlowSteps } from "../step_changes.ts";
import type { LeftStep } from "../stop_limit.ts";
import type { InputPlans } from "../worker_io.ts";
import type { SocketAddress } from "./socket_folder.ts";

/** Goes up with every change to the messages. Both sides must have the same. */
export const PROTOCOL_VERSION = 10;

/** From the coordinator to a worker. */
export type ToWorker =
  | {
    readonly kind: "load";
    readonly index: WorkerIndex;
    readonly count: number;
    /** The flow's module, and which of its exports. */
    readonly moduleUrl: string;
    readonly exportName: string | null;
    readonly logLevel: LogLevel;
  }
  | { readonly kind: "plan"; readonly positions: readonly StoredPosition[] }
  | {
    readonly kind: "open";
    readonly epoch: Epoch;
    readonly plans: InputPlans;
    /** Where inputs and outputs were at the last snapshot. */
    readonly positions: readonly StoredPosition[];
    /** How keys are numbered in snapshots; `null` where none are taken. */
    readonly snapshots: KeyNumbering | null;
    /** How to reach the other workers; `null` where there are none. */
    readonly mesh: MeshAddresses | null;
  }
  | { readonly kind: "state"; readonly step: StepId; readonly keys: readonly StoredKey[] }
  | {
    readonly kind: "run";
    /** How often to send `status`, in milliseconds. */
    readonly statusMs: number;
  }
  | { readonly kind: "closeEpoch"; readonly epoch: Epoch }
  | { readonly kind: "commitEpoch"; readonly epoch: Epoch }
  /** The worker is to log which steps hold up the end of an epoch. */
  | { readonly kind: "stillClosing"; readonly epoch: Epoch; readonly ms: number }
  | { readonly kind: "stop" }
  | { readonly kind: "finish"; readonly epoch: Epoch }
  | { readonly kind: "giveUp" }
  | { readonly kind: "cutShort" }
  | { readonly kind: "abort" }
  | { readonly kind: "ping" };

/** From a worker to the coordinator. */
export type ToCoordinator =
  | {
    readonly kind: "loaded";
    readonly flow: string;
    /** How many steps the user wrote. */
    readonly written: number;
    /** Each step with what is upstream of it, as text. */
    readonly steps: readonly string[];
    /** The steps that may have something stored. */
    readonly stored: FlowSteps;
    /** Where the worker waits for the others; `null` where there are none. */
    readonly mesh: SocketAddress | null;
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
  | { readonly kind: "inputFailed"; readonly failure: Failure }
  | ({ readonly kind: "status" } & WorkerStatus)
  | { readonly kind: "pong" }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: LogFields;
  }
  | {
    readonly kind: "ended";
    readonly stopped: boolean;
    /** The last epoch that anything belongs to. */
    readonly epoch: Epoch;
    readonly positions: readonly StoredPosition[];
  }
  | { readonly kind: "finished"; readonly steps: readonly StepCounts[] }
  | { readonly kind: "failed"; readonly failure: Failure };

/** How far a worker has come. */
export interface WorkerStatus {
  /** Items in and out of each step. */
  readonly steps: readonly StepCounts[];
  /** How much of its share of the inputs it has read, where that is known. */
  readonly progress: Progress | null;
  /** What its inputs and outputs cannot go on without at the moment, such as `broker`. */
  readonly waitingFor: readonly string[];
}

/** Where the workers wait for one another, by their index, and what they know each other by. */
export interface MeshAddresses {
  readonly addresses: readonly SocketAddress[];
  readonly key: string;
}

/** An error, as it travels. */
export interface Failure {
  /** Whether the command was wrong rather than the flow. */
  readonly usage: boolean;
  /** The step and item, where a step failed. */
  readonly step: {
    readonly stepId: StepId;
    readonly item?: string;
    readonly origin?: string;
  } | null;
  /** What was thrown. */
  readonly error: ErrorData;
}

/** An error with those that it is made of. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** What caused it; `null` where nothing is known. */
  readonly cause: ErrorData | null;
  /** The errors in an `AggregateError`. */
  readonly errors: readonly ErrorData[];
}

/** A message as bytes, behind so many that are free. */
export function encodeMessage(message: ToWorker | ToCoordinator, room = 0): Uint8Array {
  return encodeValue(message, room);
}

/**
 * The most memory that a message of a worker may take at the coordinator, in bytes and beside binary
 * data: what there is about 500,000 files or partitions. Workers run the flow's code, which must not
 * cost the coordinator more.
 */
export const MOST_OF_WORKER = 256 << 20;

/**
 * Bytes as a message.
 *
 * @param most The most memory that it may take, in bytes and beside binary data.
 * @throws {Error} If they are none, or it would take more.
 */
export function decodeMessage<M extends ToWorker | ToCoordinator>(
  bytes: Uint8Array,
  most = Infinity,
): M {
  let message: M | null;
  try {
    message = decodeValue(bytes, most) as M | null;
  } catch (error) {
    throw error instanceof Error && error.cause instanceof TooMuchMemoryError
      ? messageTooCostly(bytes.length, most, error)
      : error;
  }
  if (typeof message?.kind !== "string") throw new Error("a control message has no kind");
  return message;
}

function messageTooCostly(bytes: number, most: number, cause: Error): RangeError {
  const [sent, allowed] = [bytes, most].map((size) => Math.ceil(size / 2 ** 20));
  return new RangeError(
    `a worker's message of ${sent} MiB would take more than ${allowed} MiB at the coordinator. ` +
      "Positions of very many files or partitions do: run the flow with more workers, or read " +
      "fewer of them in one flow",
    { cause },
  );
}
