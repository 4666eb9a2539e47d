/**
 * Errors on their way from a worker to the user.
 *
 * @module
 */
import { StepError, toError, UsageError } from "../../core/errors.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import type { ErrorData, Failure } from "./protocol.ts";

/** How deep a chain of causes is followed. */
const MOST_CAUSES = 8;

/** An error as data. */
export function toFailure(thrown: unknown): Failure {
  const usage = thrown instanceof UsageError;
  if (thrown instanceof StepError) {
    const { stepId, item } = thrown;
    return { usage, step: { stepId, item }, causes: causesOf(thrown.cause) };
  }
  return { usage, step: null, causes: causesOf(thrown) };
}

/** The error again, as the worker had it. */
export function fromFailure({ usage, step, causes }: Failure, worker: WorkerIndex): Error {
  const cause = causes.reduceRight<Error | undefined>(
    (inner, data) => revive(data, inner, usage),
    undefined,
  ) ?? new Error("unknown error");
  return step === null ? cause : new StepError({ ...step, worker }, cause);
}

function revive(data: ErrorData, cause: Error | undefined, usage: boolean): Error {
  const { name, message, stack } = data;
  if (usage) return new UsageError(message);
  const error = new Error(message, cause === undefined ? undefined : { cause });
  error.name = name;
  error.stack = stack;
  return error;
}

function causesOf(thrown: unknown): ErrorData[] {
  const causes: ErrorData[] = [];
  for (let at = thrown; at !== undefined && causes.length < MOST_CAUSES;) {
    const { name, message, stack = "", cause } = toError(at);
    causes.push({ name: String(name), message: String(message), stack: String(stack) });
    at = cause;
  }
  return causes;
}
