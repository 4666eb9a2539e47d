/**
 * One checksum of everything but keys and their states. This is little, and is read as a whole.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { DamageError } from "./checksum.ts";

const ROWS = [
  "SELECT flow, epoch, committed_at FROM meta",
  "SELECT id, name, keys, bytes FROM step ORDER BY id",
  "SELECT step, role, partition, state FROM position ORDER BY step, role, partition",
];

/** Writes the checksum of the current tables, within the open transaction. */
export function writeMetaChecksum(db: DatabaseSync): void {
  db.prepare("UPDATE meta SET crc = ?").run(checksumOfRows(db, ROWS));
}

/**
 * Checks that the tables are as they were written.
 *
 * @throws {DamageError} If they are not.
 */
export function checkMeta(db: DatabaseSync): void {
  db.exec("BEGIN"); // so that all is of one epoch
  try {
    if (db.prepare("SELECT crc FROM meta").get()?.crc === checksumOfRows(db, ROWS)) return;
    throw new DamageError("the flow, the steps or the positions are not what was written");
  } finally {
    db.exec("ROLLBACK");
  }
}

/** Returns one checksum of all that some queries return. */
export function checksumOfRows(db: DatabaseSync, queries: readonly string[]): number {
  let crc = 0;
  for (const rows of queries) {
    for (const row of db.prepare(rows).all()) {
      for (const value of Object.values(row)) {
        crc = crc32(`${typeof value} ${value instanceof Uint8Array ? value.length : value};`, crc);
        if (value instanceof Uint8Array) crc = crc32(value, crc);
      }
    }
  }
  return crc;
}
