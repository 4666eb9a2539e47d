/**
 * Errors as users meet them.
 *
 * @module
 */
import { messageOf, StepError, toError, userFrames } from "../core/errors.ts";

/** The most frames of a stack that are shown. */
const MOST_FRAMES = 8;

/**
 * An error as a few lines: which step, on which worker, what was thrown with the user's own stack,
 * and which item.
 *
 * @param thrown What ended the run.
 * @param options `workers`: how many there were. `cwd`: what paths are shown relative to.
 */
export function reportError(thrown: unknown, options: { workers: number; cwd: string }): string {
  if (!(thrown instanceof StepError)) {
    const lines = describe(toError(thrown), options.cwd);
    return [`error: ${lines[0]}`, ...lines.slice(1).map((line) => `  ${line}`)].join("\n");
  }
  const { stepId, worker, item, cause } = thrown;
  const where = options.workers === 1 ? "" : ` on worker ${worker} of ${options.workers}`;
  const lines = [`step "${stepId}" failed${where}`];
  lines.push(...describe(cause, options.cwd).map((line) => `  ${line}`));
  if (item !== undefined) lines.push(`  item: ${item}`);
  return `error: ${lines.join("\n")}`;
}

function describe(thrown: unknown, cwd: string): string[] {
  if (!(thrown instanceof Error)) return [messageOf(thrown)];
  const frames = userFrames(thrown).slice(0, MOST_FRAMES).map((frame) => `  ${frame}`);
  const lines = [messageOf(thrown), ...frames];
  if (thrown.cause instanceof Error) {
    const [first, ...rest] = describe(thrown.cause, cwd);
    lines.push(`caused by ${first}`, ...rest);
  }
  return lines.map((line) => shorten(line, cwd));
}

/** Paths below the current folder, as the user would type them. */
function shorten(line: string, cwd: string): string {
  return line.replaceAll(`file://${encodeURI(cwd)}/`, "").replaceAll("file:///", "/");
}
