/**
 * What the system refuses, as errors that name the file and say what to do.
 *
 * @module
 */
import { isSystemError, systemReason } from "../../core/system_error.ts";

/** Whether an error says that there is nothing at a path: also at a link that leads to itself. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.FilesystemLoop;
}

/**
 * Does something with a file. What the system refuses becomes an error that names the file and says
 * what to do; other errors stay as they are.
 */
export async function guarded<T>(
  path: string,
  done: "read" | "written",
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new Error(`"${path}" cannot be ${done}: ${systemReason(cause)}`, { cause });
  }
}

/** Reads something of a file, or of a folder; `null` where there is nothing at that path. */
export async function ifThere<T>(path: string, look: () => Promise<T>): Promise<T | null> {
  return await guarded(path, "read", async () => {
    try {
      return await look();
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  });
}
