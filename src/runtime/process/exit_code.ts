/**
 * The exit code that a flow has set, of a run that has failed.
 *
 * @module
 */

/** What a failed run exits with where the flow has set nothing. */
export const FAILED = 1;

/** By what the run was rejected with. */
const codes = new WeakMap<object, number>();

/** Keeps the code that the flow had set when its run failed with this error. */
export function setExitCode(error: unknown, code: number): void {
  if (typeof error === "object" && error !== null) codes.set(error, code);
}

/** The code to exit with after this error. */
export function exitCodeOf(error: unknown): number {
  return (typeof error === "object" && error !== null && codes.get(error)) || FAILED;
}
