/**
 * Errors on their way from a worker to the user.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { StepError, toError, UsageError } from "../../core/errors.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import type { ErrorData, Failure } from "./protocol.ts";

/** How deep a chain of causes is followed. */
const MOST_CAUSES = 8;

/** An error as data. */
export function toFailure(thrown: unknown): Failure {
  const usage = thrown instanceof UsageError;
  if (thrown instanceof StepError) {
    const { stepId, item, origin } = thrown;
    return { usage, step: { stepId, item, origin }, causes: causesOf(thrown.cause) };
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
  const chain = new Set<unknown>([thrown]); // a set, for a chain may be a circle
  for (const at of chain) {
    const cause = at instanceof Error ? at.cause : null; // what is no error has no cause
    if (cause !== undefined && cause !== null && chain.size < MOST_CAUSES) chain.add(cause);
  }
  return [...chain].map((at) => toData(toError(at)));
}

function toData(error: Error): ErrorData {
  const { name, message, stack = "" } = error;
  const data = { name: String(name), message: String(message), stack: String(stack) };
  return "code" in error && error.code === "ERR_MODULE_NOT_FOUND" ? tidied(data) : data;
}

/**
 * Deno reports whatever keeps a module from loading as a `TypeError`, in whose message stand the
 * real class, colours (whether or not anybody sees them), and the place, which the stack has again.
 */
function tidied({ message, stack }: ErrorData): ErrorData {
  const isFrame = (line: string) => /^\s+at /.test(line);
  const lines = stripVTControlCharacters(message).split("\n");
  const frames = new Set(stripVTControlCharacters(stack).split("\n").filter(isFrame));
  const all = lines.filter((line) => !isFrame(line)).join("\n");
  const [, name = "Error", text = all] = /^(\w*Error): (.*)$/s.exec(all) ?? [];
  return { name, message: text, stack: [`${name}: ${text}`, ...frames].join("\n") };
}
