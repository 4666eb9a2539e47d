/**
 * The file of a task, as the thread that writes it sees it.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { StepId } from "../../core/ids.ts";
import { type PositionRole, RecoveryError, type StoredPosition } from "../store.ts";
import { DamageError } from "../sqlite/checksum.ts";
import { isDamage } from "../sqlite/errors.ts";
import { checksumOfRows } from "../sqlite/meta_checksum.ts";
import { fromStored, type StoredText, toStored } from "../sqlite/stored_text.ts";
import { type BlockRow, checkBlock, stepAt } from "./block.ts";
import { BlockWriter, type KeyChanges } from "./block_writer.ts";
import { type ExpectedCache, type FoundCache, whyNot } from "./expected.ts";
import { APPLICATION_ID, CHECKED_ROWS, CREATE_TABLES, SCHEMA_VERSION } from "./schema.ts";

/** Where the changelog goes on after what is in the file, and the positions then. */
export interface CachePoint {
  /** The offset of the next record of the changelog. */
  readonly offset: bigint;
  readonly positions: readonly StoredPosition[];
  /** When the offset was the committed one, in milliseconds since the Unix epoch. */
  readonly committedAt: number;
}

/** Blocks of one step. */
export interface BlockBatch {
  readonly step: StepId;
  /** The keys of each block, in JSON. */
  readonly keys: readonly string[];
  /** The states of each block, one block after the other. */
  readonly states: Uint8Array;
  /** Where to go on reading. */
  readonly next: number;
}

/** How long to wait for a program that reads the file. */
const BUSY_MS = 250;

/** How many blocks are read together, and about how many bytes. */
const BLOCKS_AT_ONCE = 32;
const BYTES_AT_ONCE = 1 << 20;

/** A file that is open. */
export class CacheFile {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #writer: BlockWriter;
  readonly #next: StatementSync;
  readonly #steps = new Map<StepId, number>();
  readonly #names = new Map<number, StepId>();
  #pending = new Map<StepId, KeyChanges>();
  #pendingBytes = 0;

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
    const { digest } = db.prepare("SELECT digest FROM meta").get()!;
    this.#writer = new BlockWriter(db, digest as number);
    this.#next = selectBlocks(db);
    for (const { id, name } of db.prepare("SELECT id, name FROM step").all()) {
      this.#know(fromStored(name as StoredText), id as number);
    }
  }

  /**
   * Opens the file of a task, whose lock the caller holds. It is checked as a whole. If it must not
   * be used, a new one takes its place.
   *
   * @returns The reason, too, why the old file is not used; `null` if it is, or there was none.
   * @throws {RecoveryError} If there is another application's database at the path.
   * @throws {Error} If SQLite cannot read or write.
   */
  static open(
    path: string,
    expected: ExpectedCache,
    now: number,
  ): { file: CacheFile; refused: string | null } {
    const found = tryOpen(path, expected, now);
    if (found instanceof DatabaseSync) return { file: new CacheFile(path, found), refused: null };
    removeFiles(path);
    const db = connect(path);
    try {
      create(db, expected);
      return { file: new CacheFile(path, db), refused: found };
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** What was written last; `null` if nothing was. */
  point(): CachePoint | null {
    const { offset, committedAt } = readMeta(this.#db);
    if (offset === null) return null;
    const rows = this.#db.prepare("SELECT step, role, partition, state FROM position").all();
    const positions = rows.map(({ step, role, partition, state }) => ({
      step: fromStored(step as StoredText),
      role: role as PositionRole,
      partition: fromStored(partition as StoredText),
      state: state as Uint8Array,
    }));
    return { offset, positions, committedAt };
  }

  /** Returns some blocks from a place on; `null` if there are none. */
  read(from: number): BlockBatch | null {
    const rows = this.#next.all(from, BLOCKS_AT_ONCE) as unknown as BlockRow[];
    if (rows.length === 0) return null;
    const step = stepAt(rows[0].place);
    let count = 0;
    let bytes = 0;
    while (count < rows.length && stepAt(rows[count].place) === step && bytes < BYTES_AT_ONCE) {
      checkBlock(rows[count]);
      bytes += rows[count++].states.length;
    }
    const name = this.#names.get(step);
    if (name === undefined) throw new DamageError("a block is of no step");
    const taken = rows.slice(0, count);
    const states = new Uint8Array(bytes);
    let at = 0;
    for (const row of taken) {
      states.set(row.states, at);
      at += row.states.length;
    }
    return {
      step: name,
      keys: taken.map(({ keys }) => keys),
      states,
      next: taken[count - 1].place + 1,
    };
  }

  /** About how many bytes wait in memory. A change counts until it is written, also if replaced. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Keeps changes in memory. A later change of a key replaces an earlier one. */
  accept(step: StepId, keys: readonly string[], states: Uint8Array, lengths: Int32Array): void {
    let changes = this.#pending.get(step);
    if (changes === undefined) this.#pending.set(step, changes = new Map());
    let offset = 0;
    for (let i = 0; i < keys.length; i++) {
      const length = lengths[i];
      changes.set(keys[i], length < 0 ? null : states.subarray(offset, offset += length));
    }
    this.#pendingBytes += bytesOf(keys, states);
  }

  /**
   * Writes what waits in memory into the open transaction. It calls `pause` after each block. Other
   * calls must wait until it is done.
   */
  async write(pause: () => Promise<void> | undefined): Promise<void> {
    const pending = this.#pending;
    this.#pending = new Map();
    this.#pendingBytes = 0;
    if (!this.#db.isTransaction) run(this.#db, "BEGIN IMMEDIATE");
    for (const [step, changes] of pending) {
      await this.#writer.write(this.#numberOf(step), changes, pause);
    }
  }

  /** Writes what waits in memory, with the point that it belongs to, and commits it. */
  async commit(point: CachePoint, pause: () => Promise<void> | undefined): Promise<void> {
    await this.write(pause);
    const db = this.#db;
    run(db, "DELETE FROM position");
    const insert = db.prepare("INSERT INTO position VALUES (?, ?, ?, ?)");
    for (const { step, role, partition, state } of point.positions) {
      insert.run(toStored(step), role, toStored(partition), state);
    }
    db.prepare("UPDATE meta SET log_offset = ?, committed_at = ?, digest = ?")
      .run(String(point.offset), Math.round(point.committedAt), this.#writer.digest);
    writeChecksum(db);
    run(db, "COMMIT");
  }

  /** Closes it; what is not committed is not in the file. `remove`: deletes the file. */
  close(remove: boolean): void {
    this.#pending.clear();
    this.#pendingBytes = 0;
    this.#db.close();
    if (remove) removeFiles(this.#path);
  }

  #numberOf(step: StepId): number {
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const { id } = this.#db.prepare("INSERT INTO step (name) VALUES (?) RETURNING id")
      .get(toStored(step))!;
    this.#know(step, id as number);
    return id as number;
  }

  #know(step: StepId, id: number): void {
    this.#steps.set(step, id);
    this.#names.set(id, step);
  }
}

/** About how many bytes changes take in memory. */
export function bytesOf(keys: readonly string[], states: Uint8Array): number {
  // A key's text, its entry in a map, and the object for its state.
  return keys.length * 128 + states.length;
}

/**
 * Returns the connection to a file that may be used. Otherwise returns why it may not; `null` if
 * there is none.
 */
function tryOpen(path: string, expected: ExpectedCache, now: number): DatabaseSync | string | null {
  const size = sizeOfFile(path);
  if (size === null) return null;
  // SQLite treats such a file as an empty one.
  if (size > 0 && size < SMALLEST_PAGE) return "it is damaged (it is cut off)";
  let db: DatabaseSync | null = null;
  try {
    db = connect(path);
    const reason = check(db, expected, now);
    if (reason === null) {
      const found = db;
      db = null;
      return found;
    }
    return reason === "empty" ? null : reason;
  } catch (error) {
    if (isDamage(error)) return `it is damaged (${(error as Error).message})`;
    throw error;
  } finally {
    db?.close();
  }
}

/** The size of SQLite's smallest pages, in bytes. */
const SMALLEST_PAGE = 512;

/** Returns the size of a file in bytes; `null` if there is none. */
function sizeOfFile(path: string): number | null {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    run(db, "PRAGMA page_size = 8192");
    run(db, "PRAGMA journal_mode = WAL");
    // A commit that a power failure undoes is none that anybody needs: the log has it.
    run(db, "PRAGMA synchronous = NORMAL");
    // In KiB, for each of many tasks. Blocks are written in order, so more hardly helps.
    run(db, "PRAGMA cache_size = -2048");
    run(db, "PRAGMA journal_size_limit = 4194304");
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

/** Runs a statement. With `exec`, Deno's errors do not have SQLite's code. */
function run(db: DatabaseSync, sql: string): void {
  db.prepare(sql).all();
}

function check(db: DatabaseSync, expected: ExpectedCache, now: number): string | null {
  const pragma = (name: string) => db.prepare(`PRAGMA ${name}`).get()![name] as number;
  const application = pragma("application_id");
  if (application !== APPLICATION_ID) {
    const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
    if (application === 0 && tables === 0) return "empty"; // killed while it was made
    throw new RecoveryError(
      "it is a database of another application: move it away, or give another folder (--state-dir)",
    );
  }
  const version = pragma("user_version");
  if (version !== SCHEMA_VERSION) {
    return `its format has version ${version}, and this Millrace reads version ${SCHEMA_VERSION}`;
  }
  const { crc, digest } = db.prepare("SELECT crc, digest FROM meta").get() ?? {};
  if (crc !== checksumOfRows(db, CHECKED_ROWS)) {
    throw new DamageError("the app, the offset or the positions are not what was written");
  }
  const reason = whyNot(readMeta(db), expected, now);
  if (reason !== null) return reason;
  if (digestOf(db) !== digest) throw new DamageError("a block is older than the others");
  return null;
}

/** Checks each block, and returns the digest of all. */
function digestOf(db: DatabaseSync): number {
  const next = selectBlocks(db);
  let digest = 0;
  let from = 0;
  for (;;) {
    const rows = next.all(from, BLOCKS_AT_ONCE) as unknown as BlockRow[];
    if (rows.length === 0) return digest;
    for (const row of rows) {
      checkBlock(row);
      if (row.place < from) throw new DamageError("its blocks are not in their order");
      from = row.place + 1;
      digest = (digest ^ row.crc) >>> 0;
    }
  }
}

function selectBlocks(db: DatabaseSync): StatementSync {
  return db.prepare(
    "SELECT place, crc, keys, states FROM block WHERE place >= ? ORDER BY place LIMIT ?",
  );
}

/** What a file says of itself. */
export function readMeta(db: DatabaseSync): FoundCache {
  const row = db.prepare("SELECT app, task, topic, log_offset, committed_at FROM meta").get()!;
  const { log_offset: offset, committed_at: committedAt } = row;
  return {
    app: fromStored(row.app as StoredText),
    task: fromStored(row.task as StoredText),
    topic: fromStored(row.topic as StoredText),
    offset: offset === null ? null : BigInt(offset as string),
    committedAt: (committedAt ?? 0) as number,
  };
}

function create(db: DatabaseSync, { app, task, topic }: ExpectedCache): void {
  run(db, "BEGIN IMMEDIATE");
  db.exec(CREATE_TABLES);
  db.prepare("INSERT INTO meta (id, app, task, topic, digest) VALUES (1, ?, ?, ?, 0)")
    .run(toStored(app), toStored(task), toStored(topic));
  writeChecksum(db);
  run(db, "COMMIT");
}

function writeChecksum(db: DatabaseSync): void {
  db.prepare("UPDATE meta SET crc = ?").run(checksumOfRows(db, CHECKED_ROWS));
}

/** Deletes the files, but not the lock. */
export function removeFiles(path: string): void {
  for (const suffix of ["-wal", "-shm", "-journal", ""]) {
    try {
      Deno.removeSync(path + suffix);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
