/**
 * Turns errors of the system into errors that name the file and the cure.
 *
 * @module
 */
import { isSystemError, systemReason } from "../../core/system_error.ts";

/** Whether an error means that nothing is at a path. A link to itself counts as nothing too. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.FilesystemLoop;
}

/**
 * Does something with a file. An error of the system becomes one that names the file and the cure;
 * other errors stay as they are.
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

/** Reads something of a file or folder; returns `null` if nothing is at that path. */
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
