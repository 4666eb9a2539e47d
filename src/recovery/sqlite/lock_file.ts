/**
 * One run at a time: a lock that the system frees when its holder dies, in whatever way.
 *
 * It is a file of its own (`PATH-lock`, always empty), so that others can read the store meanwhile.
 * Besides, the store must not be opened beside SQLite. On closing a file, a POSIX system drops all
 * locks that the process has on it, SQLite's too (https://sqlite.org/howtocorrupt.html, 2.2).
 *
 * @module
 */
import { systemReason } from "../../core/system_error.ts";
import { StoreInUseError } from "../store.ts";
import { refuse } from "./errors.ts";
import { statOf, unwritable } from "./store_path.ts";

/**
 * Takes the lock. Disposing it frees it. The file stays, since a process that waits for the lock
 * may have it open already.
 *
 * @throws {RecoveryError} At once, if another run holds it.
 */
export async function lockStore(path: string): Promise<Disposable> {
  const lock = await tryLock(path, (reason, cause) => refuse(path, reason, cause));
  if (lock !== null) return lock;
  throw new StoreInUseError(path);
}

/**
 * Takes the lock of the file at a path; returns `null` if another holds it.
 *
 * @param failure Makes the error for a lock that cannot be made.
 */
export async function tryLock(
  path: string,
  failure: (reason: string, cause: unknown) => Error,
): Promise<Disposable | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(`${path}-lock`, { write: true, create: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw failure(unwritable(path), error);
    throw failure(`its lock ${path}-lock cannot be made: ${systemReason(error)}`, error);
  }
  let isLocked: boolean;
  try {
    isLocked = await file.tryLock(true);
    // A lock file that was deleted meanwhile does not exclude other runs: they make another one.
    const [own, there] = [await file.stat(), await statOf(`${path}-lock`)];
    if (isLocked && own.ino === there?.ino) return file;
  } catch (error) {
    file.close();
    throw failure(`${path}-lock cannot be locked: ${systemReason(error)}`, error);
  }
  file.close();
  return isLocked ? await tryLock(path, failure) : null;
}
