/**
 * Keeps the file from growing forever: moves the WAL into it, and frees pages that nobody needs.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { statOf } from "./store_path.ts";

/** Pages that one epoch frees: some 10 ms of work. */
const PAGES_AT_ONCE = 500;

/**
 * Frees pages, within the open transaction, if more than a quarter of the file is free. It leaves
 * some: with keys that come and go, they are needed again.
 *
 * SQLite merges pages when two thirds of them are empty. So a file from which most keys have gone
 * ends at about three times what is left.
 */
export function giveBackPages(db: DatabaseSync): void {
  if (pragma(db, "freelist_count") * 4 < pragma(db, "page_count")) return;
  // Each step of the statement frees one page: `exec` would take one step only.
  db.prepare(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`).all();
}

/**
 * Checkpoints the WAL when it reaches half the database's size, or when freed pages would halve the
 * file. So rows that change often are moved once for several epochs.
 *
 * File and WAL together stay below three times the data: the file, half of it, and an epoch, which
 * may be all of it. A long-running reader delays the checkpoint, and the WAL grows meanwhile.
 */
export async function moveWal(db: DatabaseSync, path: string): Promise<void> {
  const wal = await statOf(`${path}-wal`);
  const file = await statOf(path);
  if (wal === undefined || file === undefined) return;
  const bytes = pragma(db, "page_count") * pragma(db, "page_size");
  if (wal.size * 2 < bytes && bytes * 2 > file.size) return;
  // It does not wait for readers: the next epoch will do.
  const timeout = pragma(db, "busy_timeout", "timeout");
  db.exec("PRAGMA busy_timeout = 0");
  try {
    db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  } finally {
    db.exec(`PRAGMA busy_timeout = ${timeout}`);
  }
}

function pragma(db: DatabaseSync, name: string, column = name): number {
  return db.prepare(`PRAGMA ${name}`).get()![column] as number;
}
