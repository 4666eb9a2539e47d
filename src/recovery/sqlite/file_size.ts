/**
 * Keeps the file from growing for ever: the WAL goes into it, and pages that nobody needs go.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { statOf } from "./store_path.ts";

/** Pages given back in one epoch: some 10 ms of work. */
const PAGES_AT_ONCE = 500;

/**
 * Gives back pages, within the transaction that is open, where more than a quarter of the file is
 * free: with keys that come and go, some are needed again. Pages are merged when two thirds of them are
 * empty, so a file from which most keys have gone ends at about three times of what is left.
 */
export function giveBackPages(db: DatabaseSync): void {
  if (pragma(db, "freelist_count") * 4 < pragma(db, "page_count")) return;
  // One step a page: `exec` would take one only.
  db.prepare(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`).all();
}

/**
 * Moves the WAL into the file when it has become half as large, or when that would make the file half as
 * large, since pages have been given back. Rows that change often are so moved
 * once for several epochs, and both together stay below three times of what is stored: the file, half
 * of it, and an epoch, which may be all of it. Others who read for long make the WAL wait, and grow.
 */
export async function moveWal(db: DatabaseSync, path: string): Promise<void> {
  const wal = await statOf(`${path}-wal`);
  const file = await statOf(path);
  if (wal === undefined || file === undefined) return;
  const bytes = pragma(db, "page_count") * pragma(db, "page_size");
  if (wal.size * 2 < bytes && bytes * 2 > file.size) return;
  // Who reads is not waited for: next time will do.
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
