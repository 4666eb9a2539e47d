/**
 * Keeps the file from growing for ever: the WAL goes into it, and pages that nobody needs go.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { statOf } from "./place.ts";

/** Pages given back in one epoch: some 10 ms of work. */
const PAGES_AT_ONCE = 1000;

/**
 * Gives back pages, within the transaction that is open, where most of the file is free. A file whose
 * keys come and go keeps what it will need again.
 */
export function giveBackPages(db: DatabaseSync): void {
  const { freelist_count: free } = db.prepare("PRAGMA freelist_count").get()!;
  const { page_count: pages } = db.prepare("PRAGMA page_count").get()!;
  if (Number(free) * 2 < Number(pages)) return;
  db.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`);
}

/**
 * Moves the WAL into the file when it has become half as large. Rows that change often are so moved
 * once for several epochs, and both together stay below three times of what is stored: the file, half
 * of it, and an epoch, which may be all of it. Others who read for long make the WAL wait, and grow.
 */
export async function moveWal(db: DatabaseSync, path: string): Promise<void> {
  const [file, wal] = await Promise.all([statOf(path), statOf(`${path}-wal`)]);
  if (file === undefined || wal === undefined || wal.size * 2 < file.size) return;
  // Who reads is not waited for: next time will do.
  const { timeout } = db.prepare("PRAGMA busy_timeout").get()!;
  db.exec("PRAGMA busy_timeout = 0");
  try {
    db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  } finally {
    db.exec(`PRAGMA busy_timeout = ${timeout}`);
  }
}
