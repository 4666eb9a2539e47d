/**
 * What is in the file, so that other programs can read it.
 *
 * ```text
 * PRAGMA application_id   0x4D4C5252, "MLRR"
 * PRAGMA user_version     1: the version of this schema
 *
 * meta       one row: the flow's name; the last committed epoch and when it was committed, in
 *            milliseconds since 1970 (both NULL where nothing has been committed)
 * step       a number for the name of each step, also of those that have nothing stored any more
 * state      each key's state, as core/value_codec.ts encodes it; key_group as core/key_groups.ts says
 * position   how far each partition of an input or output has come, or the time in a step, encoded like
 *            state
 * ```
 *
 * Names and keys are TEXT; those that SQLite's TEXT cannot keep, as they hold a NUL or are not
 * well-formed Unicode, are BLOBs of their UTF-16 code units, big-endian. So no two are stored alike.
 * TEXT because it is read by people, and loaded twice as fast as a BLOB, which is an object of its own.
 *
 * The key group comes before the key: a worker's keys then lie together, and the rows of an epoch,
 * sorted by group, are written from one end of the table to the other.
 *
 * @module
 */

/** Says that a SQLite file is a recovery store of ours. */
export const APPLICATION_ID = 0x4d4c5252;

/** The version of the schema that this code writes, and the only one that it reads. */
export const SCHEMA_VERSION = 1;

/** Makes the tables, within one transaction. */
export const CREATE_TABLES = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), flow NOT NULL, epoch INTEGER, committed_at INTEGER
  );
  CREATE TABLE step (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);
  CREATE TABLE state (
    step INTEGER NOT NULL, key_group INTEGER NOT NULL, key NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (step, key_group, key)
  ) WITHOUT ROWID;
  CREATE TABLE position (
    step INTEGER NOT NULL, role TEXT NOT NULL, partition NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (step, role, partition)
  ) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
