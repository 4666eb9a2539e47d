/**
 * The control protocol: what the coordinator and a worker process say to one another.
 *
 * Most of it is the conversation between a run's conductor and its workers (`../run/messages.ts`).
 * What belongs to processes only comes around it:
 *
 * ```text
 *   worker                          coordinator
 *     ◀───────────── handshake ──────▶       each proves to the other who it is, first of all
 *     ◀───────────────────────── load ──
 *     ── loaded … finished ──────────▶       the conversation
 *     ── status, measured, log ──────▶       at any time
 *     ── traced ─────────────────────▶       before the end of an epoch
 *     ◀───────────────────────── ping ──     answered with a pong, unless a step is at work
 *     ◀────────────────────────── ask ──     answered with a told
 *     ◀──────────────────────── abort ──     the worker leaves at once
 * ```
 *
 * Messages travel over a local socket, as `core/value_codec.ts` writes them, each after its length
 * (`exchange/frame_stream.ts`). Items never do. The handshake is not made of messages but of bytes
 * (`handshake.ts`).
 *
 * @module
 */
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import { TooMuchMemoryError } from "../../core/value_reader.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { LogFields, LogLevel } from "../../core/log.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { Instruction, InstructionOf, Report, ReportOf } from "../run/messages.ts";
import type { WorkerReadings } from "../worker_readings.ts";
import type { StateAnswer, StateQuestion } from "../../ops/state_question.ts";
import type { WorkerStatus } from "../run/worker_port.ts";
import type { FlowDescription } from "../flow_description.ts";
import type { Memory } from "./run_monitor.ts";
import type { SocketAddress } from "./socket_folder.ts";

/** Goes up with every change to the messages. Both sides must have the same. */
export const PROTOCOL_VERSION = 22;

/** From the coordinator to a worker. */
export type ToWorker =
  | Exclude<Instruction, { kind: "open" }>
  | (InstructionOf<"open"> & {
    /** How to reach the other workers; `null` where there are none. */
    readonly mesh: MeshAddresses | null;
  })
  | {
    readonly kind: "load";
    readonly index: WorkerIndex;
    readonly count: number;
    /** The flow's module, and which of its exports. */
    readonly moduleUrl: string;
    readonly exportName: string | null;
    readonly logLevel: LogLevel;
    /** How often to send `status`, in milliseconds. */
    readonly statusMs: number;
  }
  | { readonly kind: "abort" }
  | { readonly kind: "ping" }
  /** A question about state, answered by a `told` with its number. */
  | { readonly kind: "ask"; readonly number: number; readonly question: StateQuestion };

/** From a worker to the coordinator. Errors travel as data. */
export type ToCoordinator =
  | Exclude<Report, { kind: "loaded" | "inputFailed" | "failed" }>
  | (ReportOf<"loaded"> & {
    /** Where the worker waits for the others; `null` where there are none. */
    readonly mesh: SocketAddress | null;
    readonly graph: FlowDescription;
  })
  | { readonly kind: "inputFailed"; readonly failure: Failure }
  | { readonly kind: "failed"; readonly failure: Failure }
  | ({ readonly kind: "status"; readonly memory: Memory } & WorkerStatus & WorkerReadings)
  /** Traces of items that were read in an epoch: before the worker says that the epoch is over. */
  | { readonly kind: "traced"; readonly epoch: Epoch; readonly traces: readonly string[] }
  /** What users have measured in their own code. */
  | { readonly kind: "measured"; readonly metrics: readonly MeasuredMetric[] }
  | { readonly kind: "pong" }
  | { readonly kind: "told"; readonly number: number; readonly answer: StateAnswer }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: LogFields;
  };

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
    readonly task?: string | null;
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

/** Returns a message as bytes, after `room` bytes that are free. */
export function encodeMessage<M extends { readonly kind: string }>(
  message: M,
  room = 0,
): Uint8Array {
  return encodeValue(message, room);
}

/**
 * The most memory that a message of a worker may take at the coordinator, in bytes and beside
 * binary data. It is enough for about 500,000 files or partitions. Workers run the flow's code,
 * which must not cost the coordinator more.
 */
export const MOST_OF_WORKER = 256 << 20;

/**
 * Bytes as a message.
 *
 * @param most The most memory that it may take, in bytes and beside binary data.
 * @throws {Error} If they are none, or it would take more.
 */
export function decodeMessage<M extends { readonly kind: string }>(
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
