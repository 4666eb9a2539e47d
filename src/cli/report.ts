/**
 * Shows errors to users.
 *
 * @module
 */
import { sep } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { counted } from "../core/counted.ts";
import { innerErrors, messageOf, StepError, userFrames } from "../core/errors.ts";
import { oneLine, safeLines } from "../core/safe_text.ts";

/** The most frames of a stack that are shown. */
const MOST_FRAMES = 8;

/** The most errors of an `AggregateError` that are shown. */
const MOST_INNER = 5;

/** How deep causes are followed: they may go in a circle. */
const MOST_CAUSES = 8;

/** Classes that add nothing after `error:`. */
const PLAIN_ERRORS: readonly string[] = [
  "Error",
  "FlowDefinitionError",
  "GroupRefusedError",
  "GroupShutdownError",
  "RecoveryError",
  "TaskLogError",
];

/**
 * Returns an error as a few lines: which step, on which worker or in which task, and which item.
 * What was thrown comes with the user's own stack.
 *
 * @param thrown What ended the run.
 * @param options `workers`: how many there were. `cwd`: the folder that paths are relative to.
 */
export function reportError(thrown: unknown, options: { workers: number; cwd: string }): string {
  const { workers, cwd } = options;
  if (!(thrown instanceof StepError)) {
    const isPlain = thrown instanceof Error && PLAIN_ERRORS.includes(thrown.name) &&
      thrown.message !== "";
    return render(isPlain ? thrown.message : messageOf(thrown), detailsOf(thrown), cwd);
  }
  const { stepId, worker, task, item, origin, cause } = thrown;
  const ofWorker = workers === 1 ? "" : ` on worker ${worker} of ${workers}`;
  const ofTask = task === null ? "" : ` in task ${task}`;
  const where = task === undefined ? ofWorker : oneLine(ofTask);
  const details = [messageOf(cause), ...detailsOf(cause)];
  if (item !== undefined) details.push(`item: ${oneLine(item)}`);
  if (origin !== undefined) details.push(`from: ${oneLine(origin)}`);
  return render(`step "${oneLine(stepId)}" failed${where}`, details, cwd);
}

/** The same for a wrong command: there is only the message. */
export function reportUsage({ message }: Error): string {
  return safe(`error: ${message}`);
}

/** Indents all lines but the first, also those of a message with several lines. */
function render(headline: string, details: readonly string[], cwd: string): string {
  return shortenPaths(safe([`error: ${headline}`, ...details].join("\n")), cwd);
}

/** Removes colours: most messages with colours are Deno's. */
function safe(text: string): string {
  return safeLines(stripVTControlCharacters(text), "  ");
}

/** Returns where an error was thrown, the errors inside it, and what caused it. */
function detailsOf(thrown: unknown, depth = 0): string[] {
  if (!(thrown instanceof Error) || depth >= MOST_CAUSES) return [];
  const details = framesOf(thrown).map((frame) => `  ${frame}`);
  const errors = innerErrors(thrown);
  for (const [i, error] of errors.slice(0, MOST_INNER).entries()) {
    const inner = detailsOf(error, depth + 1);
    if (!isNews(error, thrown, inner)) continue;
    details.push(`error ${i + 1} of ${errors.length}: ${messageOf(error)}`);
    details.push(...inner.map((line) => `  ${line}`));
  }
  const more = errors.length - MOST_INNER;
  if (more > 0) details.push(`… and ${counted(more, "more error")}`);
  const { cause } = thrown;
  if (cause === undefined || cause === null) return details;
  const inner = detailsOf(cause, depth + 1);
  return isNews(cause, thrown, inner)
    ? [...details, `caused by ${messageOf(cause)}`, ...inner]
    : details;
}

/**
 * Whether an inner error adds something: text that is not shown yet, or a line of the reader's
 * code.
 */
function isNews(inner: unknown, outer: Error, details: readonly string[]): boolean {
  const words = inner instanceof Error ? inner.message : messageOf(inner);
  return details.length > 0 || !messageOf(outer).includes(words);
}

/** Returns the user's frames, without lines of the message that look like frames. */
function framesOf(error: Error): string[] {
  const inMessage = new Set(error.message.split("\n").map((line) => line.trim()));
  return userFrames(error).filter((frame) => !inMessage.has(frame)).slice(0, MOST_FRAMES);
}

/** Shows files as paths, and those below the current folder as the user would type them. */
function shortenPaths(text: string, cwd: string): string {
  const folder = cwd.endsWith(sep) ? cwd : cwd + sep;
  return text.replaceAll(/file:\/\/(\/\S+)/g, (url, encoded: string) => {
    try {
      const path = oneLine(decodeURIComponent(encoded));
      return path.startsWith(folder) ? path.slice(folder.length) : path;
    } catch {
      return url;
    }
  });
}
