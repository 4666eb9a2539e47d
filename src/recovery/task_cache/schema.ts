/**
 * What is in the file of a task.
 *
 * ```text
 * PRAGMA application_id   0x4D4C5243, "MLRC"
 * PRAGMA user_version     1: the version of this schema
 *
 * meta      one row: the app, the task, and the id of its changelog topic; the offset up to which
 *           the changelog is in the file, and when that offset was the committed one, in
 *           milliseconds since 1970 (both NULL if nothing has been written)
 * step      a number for the name of each step
 * block     keys whose hashes are from the block's to before the next one's: an array in JSON, and
 *           their states: the length of each (4 bytes, little-endian), then one after the other
 * position  the positions at the offset
 * ```
 *
 * The column "place" is the row id: step * 2^40 + hash. The hash is that of `core/key_groups.ts`.
 * A block that grows too large is split at a hash. So a key needs no id that somebody would have to
 * keep, and the file is written in the order of the table.
 *
 * A log of changes would be written faster. But then each key is there many times, and reading it
 * needs all keys in memory at once. Rows by key are read and written at less than half the speed
 * of blocks (`bench/task_cache.ts`).
 *
 * Pages that nobody needs stay in the file, and are used again.
 *
 * Each block has a CRC-32, and meta has one of all but the blocks. `digest` is the XOR of those of
 * the blocks. So a block that is right but older is found as well, which a disk that has lost a
 * write leaves.
 *
 * @module
 */

/** Marks a SQLite file as the cache of a task. */
export const APPLICATION_ID = 0x4d4c5243;

/** The version of the schema that this code writes, and the only one that it reads. */
export const SCHEMA_VERSION = 1;

/** Makes the tables, within one transaction. */
export const CREATE_TABLES = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), app NOT NULL, task NOT NULL, topic NOT NULL,
    log_offset TEXT, committed_at INTEGER, digest INTEGER NOT NULL, crc INTEGER
  );
  CREATE TABLE step (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);
  CREATE TABLE block (
    place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, keys TEXT NOT NULL, states BLOB NOT NULL
  );
  CREATE TABLE position (
    step NOT NULL, role TEXT NOT NULL, partition NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (step, role, partition)
  ) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What the checksum in meta is of. */
export const CHECKED_ROWS: readonly string[] = [
  "SELECT app, task, topic, log_offset, committed_at, digest FROM meta",
  "SELECT id, name FROM step ORDER BY id",
  "SELECT step, role, partition, state FROM position ORDER BY step, role, partition",
];
