import { createLog, type Log } from "millrace";

/** A log, and the warnings among its lines. */
export function recordingLog(): { readonly log: Log; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const log = createLog((level, message) => level === "warn" && warnings.push(message));
  return { warnings, log };
}
