/**
 * Where the file is, and what has to be there before SQLite may see it.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import type { Log } from "../../core/log.ts";
import { exists, systemReason } from "../../core/system_error.ts";
import { RecoveryError } from "../store.ts";
import { refuse } from "./errors.ts";

/**
 * The file's real path, if there is one. Two names of one file would have two locks, and SQLite gives
 * some names, such as `:memory:`, a meaning of their own, which it does not with a whole path.
 *
 * @throws {RecoveryError} If something else is there, or it cannot be seen.
 */
export async function findFile(path: string): Promise<string | undefined> {
  try {
    const info = await statOf(path);
    if (info === undefined) return undefined;
    if (!info.isFile) throw refuse(path, "it is not a file: give the path of one");
    return await Deno.realPath(path);
  } catch (error) {
    throw explainPathError(path, error);
  }
}

/**
 * The file's real path, also where there is none yet. Its folder is made, with a warning, but not the
 * ones above it: a path that is wrong further up is more likely a mistake, or a disk that is not there.
 *
 * @throws {RecoveryError} If that is no place for a store.
 */
export async function prepareStorePath(path: string, log: Log): Promise<string> {
  const found = await findFile(path);
  if (found !== undefined) return found;
  try {
    if (await exists(path)) {
      const target = await Deno.readLink(path);
      throw refuse(path, `it is a link to "${target}", and that is not there: give another path`);
    }
    const folder = dirname(resolve(path));
    if (await statOf(folder) === undefined) {
      await makeFolder(path, folder);
      log.warn("the folder of the recovery store was not there, and has been made", { folder });
    }
    return join(await Deno.realPath(folder), basename(path));
  } catch (error) {
    throw explainPathError(path, error);
  }
}

/** What is at a path, if anything. */
export async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Makes the file, empty, if there is none; only its owner may read it. */
export async function makeFile(path: string): Promise<void> {
  try {
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (error instanceof Deno.errors.NotFound) throw refuse(path, unwritable(path), error);
    throw refuse(path, `it cannot be made: ${systemReason(error)}`, error);
  }
}

/** What is wrong with a folder that is there, but in which no file can be made, such as `/proc`. */
export function unwritable(path: string): string {
  return `no file can be made in the folder ${dirname(resolve(path))}: give a path in another one`;
}

async function makeFolder(path: string, folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw refuse(path, `the folder ${dirname(folder)} does not exist: make it first`, error);
  }
}

function explainPathError(path: string, error: unknown): unknown {
  if (error instanceof RecoveryError) return error;
  return refuse(path, `it cannot be reached: ${systemReason(error)}`, error);
}
