/**
 * Turns SQLite's errors into errors that name the store and the cure.
 *
 * @module
 */
import { RecoveryError } from "../store.ts";
import { DamageError } from "./checksum.ts";

const LOCKED = "another program has locked it: see which one has it open (`fuser FILE`)";
const DAMAGED =
  "it is damaged: bring back a copy of it, or delete it to begin again without state and positions";
const READ_ONLY = "it cannot be written: see who may write the file and its folder";

/** What to do, by SQLite's primary result codes (https://sqlite.org/rescode.html). */
const ADVICE: Readonly<Record<number, string>> = {
  5: LOCKED,
  6: LOCKED,
  8: READ_ONLY,
  10: "the disk cannot be read or written: see whether it is full, and the system's log",
  11: DAMAGED,
  13: "the disk is full: make room, then start again; what was committed before is still there",
  14: "it cannot be opened: see who may read and write the file and its folder",
  18: "a key's state is larger than SQLite allows, which is 1 GB",
  23: "it cannot be opened: see who may read and write the file and its folder",
  26: "it is not a SQLite database: choose another path for the store",
};

/** After these, the answers of the connection cannot be trusted. */
const FATAL: readonly number[] = [10, 11, 26];

/** These mean that the content of the file is wrong. */
const DAMAGE: readonly number[] = [11, 26];

/** Returns the error for a store that cannot be used. */
export function refuse(path: string, reason: string, cause?: unknown): RecoveryError {
  return new RecoveryError(`recovery store ${path}: ${reason}`, { cause });
}

/**
 * Returns SQLite's error as one that names the cure; other errors, such as users' own, unchanged.
 */
export function explain(path: string, error: unknown): unknown {
  if (error instanceof DamageError) {
    return refuse(path, `${DAMAGED} (${error.message})`, error);
  }
  const reason = sqliteReason(error);
  return reason === undefined ? error : refuse(path, reason, error);
}

/** Returns why SQLite failed, and what to do; `undefined` if it was not SQLite that failed. */
export function sqliteReason(error: unknown): string | undefined {
  const code = resultCode(error);
  if (code === undefined) return undefined;
  return `${ADVICE[code] ?? "SQLite failed"} (SQLite says: ${(error as Error).message})`;
}

/** Whether the store has to be opened again after an error. */
export function isFatal(error: unknown): boolean {
  return error instanceof DamageError || FATAL.includes(resultCode(error) ?? -1);
}

/** Whether what was read is not what was written, or is not a SQLite database. */
export function isDamage(error: unknown): boolean {
  return error instanceof DamageError || DAMAGE.includes(resultCode(error) ?? -1);
}

/** Returns SQLite's primary result code; `undefined` if it was not SQLite that failed. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (code !== "ERR_SQLITE_ERROR") return undefined;
  // Deno has no number for a database that cannot be opened.
  return typeof errcode === "number" ? errcode & 0xff : 14;
}
