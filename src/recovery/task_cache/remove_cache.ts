/**
 * Removes the file of a task that nobody is to use any more.
 *
 * @module
 */
import { tryLock } from "../sqlite/lock_file.ts";
import { RecoveryError } from "../store.ts";
import { removeFiles } from "./cache_file.ts";

/**
 * Removes the file of a task, with its lock. One that is open somewhere stays.
 *
 * @param isUnused Asked once nobody can open it any more: whether it is to be removed.
 * @returns Whether it was removed.
 * @throws {Error} If the file system refuses.
 */
export async function removeCache(path: string, isUnused: () => boolean): Promise<boolean> {
  const lock = await tryLock(
    path,
    (reason, cause) => new RecoveryError(`task cache ${path}: ${reason}`, { cause }),
  );
  if (lock === null) return false;
  using _ = lock;
  if (!isUnused()) return false;
  removeFiles(path);
  Deno.removeSync(`${path}-lock`); // who waits for it makes another one
  return true;
}
