/**
 * What is in the file, so that other programs can read it.
 *
 * ```text
 * PRAGMA application_id   0x4D4C5252, "MLRR"
 * PRAGMA user_version     2: the version of this schema
 *
 * meta         one row: the flow's name; the last committed epoch and when it was committed, in
 *              milliseconds since 1970 (both NULL if nothing has been committed)
 * step         a number for the name of each step, also of those that have nothing stored any
 *              more; how many keys it has, and how many bytes their states take together
 * key_block    the keys whose ids are from block * 128 to before (block + 1) * 128: an array in
 *              JSON, null where there is none, cut off after the last
 * state_block  their states, one after the other. Before each is a byte: 0 for none, 1 for one that
 *              is in large_state (its length follows, 4 bytes, big-endian), else its length plus 2
 * large_state  states of more than 128 bytes, by id
 * position     how far each partition of an input or output has come, or the time in a step;
 *              and notes: what the state of a step is, and which steps were renamed or dropped
 * ```
 *
 * States are as core/value_codec.ts encodes them. Names of flows, steps and partitions are TEXT.
 * Those that SQLite's TEXT cannot keep hold a NUL or are not well-formed Unicode. They are BLOBs of
 * their UTF-16 code units, big-endian. So no two names are stored alike.
 *
 * Keys are in blocks, not in rows of their own, since a row takes SQLite more than a microsecond.
 * An epoch that changes all of a million keys is written in a tenth of a second. With a row for
 * each key it took two seconds (`bench/recovery_store.ts`). An epoch that changes few keys writes
 * no more, since SQLite's pages are larger than most blocks. A key is known by its id, so its block
 * of keys is written once.
 *
 * The column "place" is the row id: step * 2^40 + block for a block, step * 2^40 + id for a large
 * state. With any other primary key, a row of more than 2 KiB would take pages of its own.
 *
 * SQLite has no checksums, so the tables hold some: CRC-32 as of zlib (`checksum.ts`,
 * `meta_checksum.ts`). One is for each block and large state; it begins with the row id. The one in
 * meta is for all that is in meta, step and position. They cannot detect a block that is right but
 * older, as when the disk has lost a write.
 *
 * @module
 */

/** Marks a SQLite file as a recovery store of ours. */
export const APPLICATION_ID = 0x4d4c5252;

/** The version of the schema that this code writes, and the only one that it reads. */
export const SCHEMA_VERSION = 2;

/** Makes the tables, within one transaction. */
export const CREATE_TABLES = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), flow NOT NULL, epoch INTEGER, committed_at INTEGER, crc INTEGER
  );
  CREATE TABLE step (
    id INTEGER PRIMARY KEY, name NOT NULL UNIQUE, keys INTEGER NOT NULL, bytes INTEGER NOT NULL
  );
  CREATE TABLE key_block (
    place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, keys TEXT NOT NULL
  );
  CREATE TABLE state_block (
    place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, states BLOB NOT NULL
  );
  CREATE TABLE large_state (
    place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, state BLOB NOT NULL
  );
  CREATE TABLE position (
    step INTEGER NOT NULL, role TEXT NOT NULL, partition NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (step, role, partition)
  ) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
