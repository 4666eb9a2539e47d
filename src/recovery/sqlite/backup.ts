/**
 * Copies a store, also while a run uses it.
 *
 * @module
 */
import { dirname } from "node:path";
import { exists, isSystemError, systemReason } from "../../core/system_error.ts";
import type { Epoch } from "../../core/ids.ts";
import { RecoveryError } from "../store.ts";
import { explain, refuse } from "./errors.ts";
import { SqliteInspector } from "./inspector.ts";
import { loadSqlite } from "./open.ts";
import { findFile } from "./store_path.ts";

/** What was copied. */
export interface Backup {
  /** The flow that the store belongs to. */
  readonly flow: string;
  /** The last committed epoch; `null` if nothing has been committed. */
  readonly epoch: Epoch | null;
  /** Of the copy. */
  readonly bytes: number;
}

/**
 * Copies a store into a new file, as the last epoch left it. A run that uses the store goes on. The
 * copy is a store like any other. It is there whole or not at all.
 *
 * SQLite makes the copy (`VACUUM INTO`): a copy of the files could have half of an epoch.
 *
 * @param path The store.
 * @param to Where the copy goes.
 * @throws {RecoveryError} If the store cannot be read, or the copy not written, or something is
 * there already.
 */
export async function backUp(path: string, to: string): Promise<Backup> {
  const found = await findFile(path);
  if (found === undefined) throw refuse(path, `there is no such file (looked in ${Deno.cwd()})`);
  if (await exists(to)) throw cannotWrite(to, "something is there already: give another path");
  const partial = `${to}.partial-${crypto.randomUUID().slice(0, 8)}`;
  try {
    // Only for the user, as the store. SQLite accepts an empty file.
    (await Deno.open(partial, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw cannotWrite(to, systemReason(cause), cause);
  }
  try {
    await vacuumInto(found, partial);
    const backup = await facts(partial);
    await synced(partial);
    await Deno.rename(partial, to);
    await synced(dirname(to));
    return backup;
  } catch (error) {
    for (const end of ["", "-wal", "-shm"]) {
      if (await exists(partial + end)) await Deno.remove(partial + end);
    }
    throw error;
  }
}

async function vacuumInto(path: string, to: string): Promise<void> {
  const { DatabaseSync } = await loadSqlite();
  using _store = await SqliteInspector.open(path); // else it is not a store that can be read
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 1_000 });
    try {
      db.prepare("VACUUM INTO ?").run(to);
    } finally {
      db.close();
    }
  } catch (error) {
    throw explain(path, error);
  }
}

async function facts(path: string): Promise<Backup> {
  using copy = await SqliteInspector.open(path);
  const { size: bytes } = await Deno.stat(path);
  return { flow: copy.flow, epoch: copy.epoch, bytes };
}

/** What is in the file, or which names are in the folder, outlasts a power failure. */
async function synced(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}

function cannotWrite(to: string, reason: string, cause?: unknown): RecoveryError {
  return new RecoveryError(`the copy cannot be written to ${to}: ${reason}`, { cause });
}
