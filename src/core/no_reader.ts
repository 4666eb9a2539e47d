/**
 * Outputs whose reader has gone.
 *
 * @module
 */

/**
 * Whether a write failed because nobody reads the output any more: the pipe is closed, or the terminal
 * has been. The system reports the latter as an input/output error, which on a file means a bad disk.
 *
 * @param wasTerminal Whether the output was a terminal before; a closed one no longer says so.
 */
export function hasNoReader(error: unknown, wasTerminal: boolean): boolean {
  if (error instanceof Deno.errors.BrokenPipe) return true;
  return wasTerminal && error instanceof Error && "code" in error && error.code === "EIO";
}
