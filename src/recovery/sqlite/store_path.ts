/**
 * The path of a store's file, and what must exist before SQLite opens it.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import type { Log } from "../../core/log.ts";
import { exists, systemReason } from "../../core/system_error.ts";
import { RecoveryError } from "../store.ts";
import { refuse } from "./errors.ts";

/**
 * Returns the file's real path; `undefined` if there is no file. Two names of one file would have
 * two locks. Also, SQLite treats some names, such as `:memory:`, specially, but never a whole path.
 *
 * @throws {RecoveryError} If something else is there, or the path cannot be read.
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
 * Returns the file's real path, also if the file does not exist yet. The folder is made, with a
 * warning. The folders above are not: a path that is wrong there is more likely a mistake, or a
 * missing disk.
 *
 * @throws {RecoveryError} If no store can be there.
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

/** Returns what is at a path; `undefined` if nothing is. */
export async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Makes an empty file if there is none; only its owner may read it. */
export async function makeFile(path: string): Promise<void> {
  try {
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (error instanceof Deno.errors.NotFound) throw refuse(path, unwritable(path), error);
    throw refuse(path, `it cannot be made: ${systemReason(error)}`, error);
  }
}

/** Returns what is wrong with a folder in which no file can be made, such as `/proc`. */
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
