/**
 * The checksum of all that is neither keys nor their states: it is little, and read as a whole.
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

/** Writes the checksum of what is in the tables now, within the transaction that is open. */
export function writeMetaChecksum(db: DatabaseSync): void {
  db.prepare("UPDATE meta SET crc = ?").run(metaChecksum(db));
}

/**
 * Makes sure that the tables are as they were written.
 *
 * @throws {DamageError} If they are not.
 */
export function checkMeta(db: DatabaseSync): void {
  db.exec("BEGIN"); // all of one epoch
  try {
    if (db.prepare("SELECT crc FROM meta").get()?.crc === metaChecksum(db)) return;
    throw new DamageError("the flow, the steps or the positions are not what was written");
  } finally {
    db.exec("ROLLBACK");
  }
}

function metaChecksum(db: DatabaseSync): number {
  let crc = 0;
  for (const rows of ROWS) {
    for (const row of db.prepare(rows).all()) {
      for (const value of Object.values(row)) {
        crc = crc32(`${typeof value} ${value instanceof Uint8Array ? value.length : value};`, crc);
        if (value instanceof Uint8Array) crc = crc32(value, crc);
      }
    }
  }
  return crc;
}
