/**
 * What the coordinator and its workers say to one another: the whole control protocol.
 *
 * Messages travel over a local socket, each as a line of JSON. Items never do.
 *
 * ```text
 *   worker                          coordinator
 *     ── hello ──────────────────────▶       version and token are checked first
 *     ◀───────────────────────── load ──
 *     ── loaded ─────────────────────▶       all workers must have the same steps
 *     ◀───────────────────────── plan ──     worker 0 only: how inputs are shared out
 *     ── planned ────────────────────▶
 *     ◀───────────────────────── open ──
 *     ── opened ─────────────────────▶       connected to the others; inputs and outputs are open
 *     ◀────────────────────────── run ──     all are: nobody reads before
 *     ◀─ closeEpoch, commitEpoch, stop ─
 *     ── epochClosed, status, log ───▶
 *     ── ended ──────────────────────▶       its inputs have ended, all is durable
 *     ◀─────────────────────── finish ──     all have: outputs make the last epoch visible
 *     ── finished ───────────────────▶
 * ```
 *
 * A `failed` may come from a worker at any time, and is the last thing it says; `abort` to the others
 * follows. Each `ping` is answered with a `pong`, unless a step is at work.
 *
 * @module
 */
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { LogFields, LogLevel } from "../../core/log.ts";
import type { Progress } from "../../graph/contracts.ts";
import type { StepCounts } from "../counts.ts";
import type { InputPlans } from "../worker.ts";
import type { SocketAddress } from "./socket_folder.ts";

/** Goes up with every change to the messages. Both sides must have the same. */
export const PROTOCOL_VERSION = 2;

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
  | { readonly kind: "plan" }
  | {
    readonly kind: "open";
    readonly epoch: Epoch;
    readonly plans: InputPlans;
    /** How to reach the other workers; `null` where there are none. */
    readonly mesh: MeshAddresses | null;
  }
  | {
    readonly kind: "run";
    /** How often to send `status`, in milliseconds. */
    readonly statusMs: number;
  }
  | { readonly kind: "closeEpoch"; readonly epoch: Epoch }
  | { readonly kind: "commitEpoch"; readonly epoch: Epoch }
  | { readonly kind: "stop" }
  | { readonly kind: "finish"; readonly epoch: Epoch }
  | { readonly kind: "abort" }
  | { readonly kind: "ping" };

/** From a worker to the coordinator. */
export type ToCoordinator =
  | { readonly kind: "hello"; readonly version: number; readonly token: string }
  | {
    readonly kind: "loaded";
    readonly flow: string;
    /** Each step with what is upstream of it, as text. */
    readonly steps: readonly string[];
    /** Where the worker waits for the others; `null` where there are none. */
    readonly mesh: SocketAddress | null;
  }
  | { readonly kind: "planned"; readonly plans: InputPlans }
  | { readonly kind: "opened" }
  | { readonly kind: "epochClosed"; readonly epoch: Epoch }
  | { readonly kind: "stopRequested" }
  | ({ readonly kind: "status" } & WorkerStatus)
  | { readonly kind: "pong" }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: LogFields;
  }
  | { readonly kind: "ended"; readonly stopped: boolean }
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
  readonly token: string;
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
  /** What was thrown, outermost first. */
  readonly causes: readonly ErrorData[];
}

/** One error of a chain of causes. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** The longest line that is taken. A longer one is not ours. */
const LONGEST_LINE = 16 << 20;

/** A message as bytes: a line of JSON. */
export function encodeMessage(message: ToWorker | ToCoordinator): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(message) + "\n");
}

/**
 * Messages out of bytes, as they come.
 *
 * @throws {Error} If a line is too long or no message; what was sent is not shown.
 */
export async function* decodeMessages<M extends ToWorker | ToCoordinator>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<M, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    lines[0] = rest + lines[0]; // what was there before has no end of line, and is not searched again
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE) throw new Error("a control message is too long");
    for (const line of lines) yield parseMessage(line) as M;
  }
}

function parseMessage(line: string): unknown {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    throw new Error("a control message is not JSON"); // and is not quoted: a stranger sent it
  }
  if (typeof (message as { kind?: unknown } | null)?.kind !== "string") {
    throw new Error("a control message has no kind");
  }
  return message;
}
