/**
 * Errors on their way from a worker to the user.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { innerErrors, StepError, toError, UsageError } from "../../core/errors.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import type { ErrorData, Failure } from "./protocol.ts";

/** Longer texts are cut: an error must reach the user, whatever stands in it. */
const LONGEST_TEXT = 1 << 18;

/** How many errors are sent: causes, and what is in them. */
const MOST_ERRORS = 32;

/** How deep causes are followed. */
const MOST_CAUSES = 8;

/** An error as data. */
export function toFailure(thrown: unknown): Failure {
  const usage = thrown instanceof UsageError;
  if (thrown instanceof StepError) {
    const { stepId, task, item, origin } = thrown;
    return { usage, step: { stepId, task, item, origin }, error: dataOf(thrown.cause) };
  }
  return { usage, step: null, error: dataOf(thrown) };
}

/** The error again, as the worker had it. */
export function fromFailure({ usage, step, error }: Failure, worker: WorkerIndex): Error {
  if (usage) return new UsageError(error.message);
  const cause = revive(error);
  return step === null ? cause : new StepError({ ...step, worker }, cause);
}

function revive({ name, message, stack, cause, errors }: ErrorData): Error {
  const options = cause === null ? {} : { cause: revive(cause) };
  const error = errors.length === 0
    ? new Error(message, options)
    : new AggregateError(errors.map(revive), message, options);
  error.name = name;
  error.stack = stack;
  return error;
}

/** An error with its causes and what is in it; each once, as they may go in a circle. */
function dataOf(thrown: unknown): ErrorData {
  const seen = new Set<unknown>();
  const visit = (at: unknown, depth: number): ErrorData | null => {
    if (seen.has(at) || seen.size >= MOST_ERRORS || depth >= MOST_CAUSES) return null;
    seen.add(at);
    const data = toData(toError(at));
    if (!(at instanceof Error)) return { ...data, cause: null, errors: [] };
    const cause = at.cause === undefined || at.cause === null ? null : visit(at.cause, depth + 1);
    const errors = innerErrors(at).map((inner) => visit(inner, depth + 1));
    return { ...data, cause, errors: errors.filter((inner) => inner !== null) };
  };
  return visit(thrown, 0)!;
}

type Words = Pick<ErrorData, "name" | "message" | "stack">;

function toData(error: Error): Words {
  const { name, message, stack = "" } = error;
  const data = { name: cut(name), message: cut(message), stack: cut(stack) };
  return "code" in error && error.code === "ERR_MODULE_NOT_FOUND" ? tidied(data) : data;
}

function cut(text: unknown): string {
  const all = String(text);
  return all.length > LONGEST_TEXT ? `${all.slice(0, LONGEST_TEXT)}…` : all;
}

/**
 * Deno reports what keeps a module from loading as a `TypeError`. Its message contains the real
 * class, colours (whether or not anybody sees them), and the place. The stack has the place too.
 */
function tidied({ message, stack }: Words): Words {
  const isFrame = (line: string) => /^\s+at /.test(line);
  const lines = stripVTControlCharacters(message).split("\n");
  const frames = new Set(stripVTControlCharacters(stack).split("\n").filter(isFrame));
  const all = lines.filter((line) => !isFrame(line)).join("\n");
  const [, name = "Error", text = all] = /^(\w*Error): (.*)$/s.exec(all) ?? [];
  return { name, message: text, stack: [`${name}: ${text}`, ...frames].join("\n") };
}
