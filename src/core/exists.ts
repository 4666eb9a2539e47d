/**
 * Whether there is something at a path.
 *
 * @module
 */

/** Whether there is a file, folder or link. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
