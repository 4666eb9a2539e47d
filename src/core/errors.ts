/**
 * The errors that callers may want to tell apart.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "./ids.ts";
import { preview } from "./preview.ts";

/**
 * A flow is defined wrongly: two steps with one id, a step on the root, no input, no output. It is
 * thrown where the step is written, or before anything runs.
 */
export class FlowDefinitionError extends Error {
  /** Always `"FlowDefinitionError"`. */
  override readonly name = "FlowDefinitionError";
}

/** The command is wrong, not the flow: a missing file or export, a bad option. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name = "UsageError";
}

/** Where a step failed, and on which item. */
export interface StepFailure {
  /** The step that failed. */
  readonly stepId: StepId;
  /** The worker that it failed on: in a group of machines, by its index on its machine. */
  readonly worker: WorkerIndex;
  /**
   * The task of a group of machines that it failed in, as `STEP_PARTITION`: `orders_3`. `null` if
   * several share what failed, such as an output. Absent outside of a group.
   */
  readonly task?: string | null;
  /** The item, shortened to a line; absent if no single item is to blame. */
  readonly item?: string;
  /** Where the item came from, in the input's words; absent if that is no longer known. */
  readonly origin?: string;
}

/**
 * A step failed while the flow ran. `cause` is what was thrown. If user code threw it, that is the
 * user's own error with its own stack.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import {
 *   Dataflow,
 *   run,
 *   StepError,
 *   TestingInputConfig,
 *   TestingOutputConfig,
 * } from "@millrace/millrace";
 *
 * const out: number[] = [];
 * const flow = new Dataflow("fails")
 *   .input("numbers", new TestingInputConfig([1, 2]))
 *   .map(function half(n) {
 *     if (n === 2) throw new Error("no twos");
 *     return n / 2;
 *   })
 *   .capture(new TestingOutputConfig(out));
 * const error = await assertRejects(() => run(flow)) as StepError;
 * assertEquals(error instanceof StepError, true);
 * assertEquals(error.stepId, "half");
 * assertEquals(error.item, "2");
 * ```
 */
export class StepError extends Error implements StepFailure {
  /** Always `"StepError"`. */
  override readonly name = "StepError";
  /** The step that failed. */
  readonly stepId: StepId;
  /** The worker that it failed on: in a group of machines, by its index on its machine. */
  readonly worker: WorkerIndex;
  /** The task of a group that it failed in; see {@linkcode StepFailure.task}. */
  readonly task?: string | null;
  /** The item, shortened to a line; absent if no single item is to blame. */
  readonly item?: string;
  /** Where the item came from, in the input's words; absent if that is no longer known. */
  readonly origin?: string;

  /** `cause` is what the step threw. */
  constructor(failure: StepFailure, cause: unknown) {
    const { stepId, worker, task, item, origin } = failure;
    const ofTask = task === null ? "" : ` in task ${task}`;
    super(
      `step "${stepId}" failed${task === undefined ? ` on worker ${worker}` : ofTask}: ` +
        messageOf(cause) +
        (item === undefined ? "" : `; item: ${item}`) +
        (origin === undefined ? "" : `; from ${origin}`),
      { cause },
    );
    this.stepId = stepId;
    this.worker = worker;
    this.task = task;
    this.item = item;
    this.origin = origin;
  }
}

/**
 * Thrown by an input or output to name the item that its error is about. The engine shows the item
 * and reports `cause` as the error.
 *
 * @example In `write` of an `OutputWriter`
 * ```ts
 * import { ItemError } from "@millrace/millrace";
 *
 * function write(batch: readonly string[]): void {
 *   for (const item of batch) {
 *     const cause = new TypeError("the table accepts one line of text");
 *     if (item.includes("\n")) throw new ItemError(item, { cause });
 *   }
 * }
 * write(["one line"]);
 * ```
 */
export class ItemError extends Error {
  /** Always `"ItemError"`. */
  override readonly name = "ItemError";
  /** The item. */
  readonly item: unknown;

  /** `cause` is what went wrong with `item`. */
  constructor(item: unknown, options: { readonly cause: unknown }) {
    super(messageOf(options.cause), options);
    this.item = item;
  }
}

/** Whether an error is an {@linkcode ItemError}, of this copy of the module or another. */
export function isItemError(error: unknown): error is ItemError {
  return error instanceof Error && error.name === "ItemError" && "item" in error;
}

/**
 * Returns what was thrown as one line: `TypeError: x is not a function`. An error without a
 * message, such as that of a failed connection, gets the messages of the errors inside it.
 */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `thrown: ${preview(thrown)}`;
  const { name, message } = thrown;
  const inner = message === "" ? innerErrors(thrown) : [];
  if (name === "NotCapable") return `${name}: ${message} (with --worker-flags, give it there)`;
  if (inner.length === 0) return `${name}: ${message}`;
  const first = inner.slice(0, MOST_INNER_MESSAGES);
  const rest = inner.length > first.length ? `; and ${inner.length - first.length} more` : "";
  return `${name}: ${first.map(withoutInner).join("; ")}${rest}`;
}

/** How many inner errors {@linkcode messageOf} quotes. */
const MOST_INNER_MESSAGES = 3;

/** Returns the line for one inner error. It goes no deeper, since an error may contain itself. */
function withoutInner(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : messageOf(thrown);
}

/**
 * Returns the errors inside an `AggregateError`, one like it, or a `SuppressedError`; none of
 * others.
 */
export function innerErrors(error: Error): readonly unknown[] {
  const { errors, error: last, suppressed } = error as {
    errors?: unknown;
    error?: unknown;
    suppressed?: unknown;
  };
  if (Array.isArray(errors)) return errors;
  return error.name === "SuppressedError" ? [last, suppressed] : [];
}

/** Returns what was thrown as an `Error`; users may throw anything. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown });
}

// An anonymous function is `<anonymous>` too, but its frame names a file: that frame is the
// reader's.
const NOT_THE_READERS =
  /millrace-chain-|\/kafkajs\/|\beval at\b|at <anonymous>|\(<anonymous>\)$|at async Promise\.|\bext:|\bnode:/;

/**
 * Returns the frames of an error's stack that belong to the reader. The generated loops of fused
 * steps do not. Where the throw passed through user code, the engine's own files do not either.
 */
export function userFrames(error: Error): string[] {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const own = ["../", "../../cli.ts"].map((path) => new URL(path, import.meta.url).href);
  return frames
    .filter((line) => !own.some((place) => line.includes(place)) && !NOT_THE_READERS.test(line))
    .map((line) => line.trim());
}
