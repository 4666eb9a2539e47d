/**
 * A store that a run has open: see `../store.ts` for the contract, `schema.ts` for the contents.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { counted } from "../../core/counted.ts";
import { TimeSlice } from "../../core/event_loop.ts";
import type { Epoch, PartitionName, StepId } from "../../core/ids.ts";
import {
  type EpochChanges,
  nextEpoch,
  type PositionRole,
  type RecoveryStore,
  type ResumePoint,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
} from "../store.ts";
import { BLOCK_IDS, numberAt, rowIdOf } from "./block.ts";
import { BlockReader } from "./block_reader.ts";
import { BlockWriter } from "./block_writer.ts";
import { DamageError } from "./checksum.ts";
import { explain, isFatal, refuse } from "./errors.ts";
import { giveBackPages, moveWal } from "./file_size.ts";
import { writeMetaChecksum } from "./meta_checksum.ts";
import { lockStore } from "./lock_file.ts";
import { openForRun } from "./open.ts";
import { StoreFiles } from "./store_files.ts";
import { fromStored, type StoredText, toStored } from "./stored_text.ts";

/** About how many keys, and bytes of state, `load` returns together. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

/** A store that a run has open. Calls run one after the other. */
export class SqliteStore implements RecoveryStore {
  readonly byKey = false;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #lock: Disposable;
  readonly #steps = new Map<StepId, number>();
  readonly #writer: BlockWriter;
  readonly #reader: BlockReader;
  readonly #files: StoreFiles;
  #epoch: Epoch | null;
  #busy: Promise<unknown> = Promise.resolve();
  #closed = false;
  #failure: unknown;

  private constructor(path: string, db: DatabaseSync, lock: Disposable, files: StoreFiles) {
    this.#path = path;
    this.#files = files;
    this.#db = db;
    this.#lock = lock;
    this.#writer = new BlockWriter(db, (step) => this.#numberOf(step));
    this.#reader = new BlockReader(db);
    this.#epoch = db.prepare("SELECT epoch FROM meta").get()!.epoch as Epoch | null;
    this.#readSteps();
  }

  /**
   * Opens a store, under its lock.
   *
   * @param path As `prepareStorePath` returns it.
   * @param maxPages For tests: the store fails as if the disk were full at this size.
   * @throws {RecoveryError} If it cannot be used.
   */
  static async open(path: string, flow: string, maxPages?: number): Promise<SqliteStore> {
    const lock = await lockStore(path);
    try {
      const db = await openForRun(path, flow);
      try {
        if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${maxPages}`);
        const files = new StoreFiles(path);
        await files.note();
        return new SqliteStore(path, db, lock, files);
      } catch (error) {
        db.close();
        throw explain(path, error);
      }
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  resume(): Promise<ResumePoint | null> {
    return this.#alone(() =>
      this.#epoch === null ? null : {
        epoch: this.#epoch,
        positions: readPositions(this.#db),
        nextId: readNextId(this.#db),
      }
    );
  }

  steps(): Promise<readonly StoredStep[]> {
    return this.#alone(() => readSteps(this.#db));
  }

  async *load(step: StepId): AsyncGenerator<readonly StoredKey[]> {
    const number = await this.#alone(() => this.#steps.get(step));
    if (number === undefined) return;
    const slice = new TimeSlice();
    let found = 0;
    let chunk: StoredKey[] = [];
    let bytes = 0;
    for await (const keys of this.#blocks(number)) {
      found += keys.length;
      for (const key of keys) {
        chunk.push(key);
        bytes += key.state.length;
      }
      if (chunk.length >= CHUNK_KEYS || bytes >= CHUNK_BYTES) {
        yield chunk;
        chunk = [];
        bytes = 0;
      }
      if (slice.isOver) await slice.renew();
    }
    if (chunk.length > 0) yield chunk;
    await this.#alone(() => {
      const { keys } = this.#db.prepare("SELECT keys FROM step WHERE id = ?").get(number)!;
      if (keys === found) return;
      throw new DamageError(`step "${step}" has ${counted(found, "key")} instead of ${keys}`);
    });
  }

  /** Returns the keys of a step, a block at a time, or less where their states are large. */
  async *#blocks(step: number): AsyncGenerator<readonly StoredKey[]> {
    let last = -1;
    for (;;) {
      const rows = await this.#alone(() => this.#reader.rows(step, last));
      if (rows.length === 0) return;
      for (const row of rows) {
        for (let slot = 0; slot < BLOCK_IDS;) {
          const { keys, next } = await this.#alone(() => this.#reader.read(step, row, slot));
          yield keys;
          slot = next;
        }
      }
      last = rows.at(-1)!.block;
    }
  }

  commit(epoch: Epoch, changes: EpochChanges): Promise<void> {
    return this.#alone(async () => {
      const next = nextEpoch(this.#epoch, epoch);
      await this.#files.check();
      this.#db.prepare("BEGIN IMMEDIATE").run();
      try {
        this.#requireAlone();
        await this.#writer.write(changes.state);
        this.#writePositions(changes.positions);
        this.#db.prepare("UPDATE meta SET epoch = ?, committed_at = ?").run(next, Date.now());
        writeMetaChecksum(this.#db);
        giveBackPages(this.#db);
        this.#db.prepare("COMMIT").run();
      } catch (error) {
        this.#rollBack(error);
        throw error;
      }
      this.#epoch = next;
      // The epoch is committed, even if this fails. If the disk is full or broken, the next commit
      // fails.
      await moveWal(this.#db, this.#path).catch(() => {});
      await this.#files.note();
    });
  }

  /**
   * Checks that no other run has committed. The lock is not reliable on some network file systems,
   * nor once its file was deleted.
   */
  #requireAlone(): void {
    const { epoch } = this.#db.prepare("SELECT epoch FROM meta").get()!;
    if (epoch === this.#epoch) return;
    throw refuse(
      this.#path,
      `another run uses it as well: it has committed epoch ${epoch}, and this run epoch ` +
        `${this.#epoch}. Stop one of them, and give each run a store of its own`,
    );
  }

  close(): Promise<void> {
    const closed = this.#busy.then(() => {
      if (this.#closed) return;
      this.#closed = true;
      try {
        this.#db.close();
      } finally {
        this.#lock[Symbol.dispose]();
      }
    });
    this.#busy = closed.catch(() => {});
    return closed;
  }

  /**
   * Runs one call after the other: a commit lets the event loop run, but others must not see half
   * of it.
   */
  #alone<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#busy.then(async () => {
      if (this.#closed) throw refuse(this.#path, "it has been closed");
      if (this.#failure !== undefined) {
        throw refuse(this.#path, "it failed before: open it again, with a new run", this.#failure);
      }
      try {
        return await work();
      } catch (error) {
        if (isFatal(error)) this.#failure = error;
        throw explain(this.#path, error);
      }
    });
    this.#busy = done.catch(() => {});
    return done;
  }

  #rollBack(error: unknown): void {
    try {
      // After some errors SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#db.prepare("ROLLBACK").run();
      this.#readSteps();
    } catch {
      this.#failure = error;
    }
  }

  #readSteps(): void {
    this.#steps.clear();
    for (const { id, name } of this.#db.prepare("SELECT id, name FROM step").all()) {
      this.#steps.set(fromStored(name as StoredText), id as number);
    }
  }

  /** Returns a step's number; gives a new step one, within the open transaction. */
  #numberOf(step: StepId): number {
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const { id } = this.#db.prepare(
      "INSERT INTO step (name, keys, bytes) VALUES (?, 0, 0) RETURNING id",
    )
      .get(toStored(step))!;
    this.#steps.set(step, id as number);
    return id as number;
  }

  #writePositions(positions: readonly StoredPosition[]): void {
    this.#db.prepare("DELETE FROM position").run();
    const insert = this.#db.prepare("INSERT INTO position VALUES (?, ?, ?, ?)");
    for (const { step, role, partition, state } of positions) {
      insert.run(this.#numberOf(step), role, toStored(partition), state);
    }
  }
}

/** Returns all positions. */
export function readPositions(db: DatabaseSync): StoredPosition[] {
  const rows = db.prepare(
    "SELECT name, role, partition, state FROM position JOIN step ON step.id = position.step",
  ).all();
  return rows.map(({ name, role, partition, state }) => ({
    step: fromStored(name as StoredText),
    role: role as PositionRole,
    partition: fromStored(partition as StoredText) as PartitionName,
    state: state as Uint8Array,
  }));
}

/** Returns the steps that have keys. */
export function readSteps(db: DatabaseSync): StoredStep[] {
  const rows = db.prepare("SELECT name, keys, bytes FROM step WHERE keys > 0 ORDER BY name").all();
  return rows.map(({ name, keys, bytes }) => ({
    step: fromStored(name as StoredText),
    keys: keys as number,
    bytes: bytes as number,
  }));
}

/** Returns a number above all ids. */
function readNextId(db: DatabaseSync): number {
  const last = db.prepare(
    "SELECT max(place) AS rowId FROM state_block WHERE place >= ? AND place < ?",
  );
  const steps = db.prepare("SELECT id FROM step").all();
  const blocks = steps.map(({ id }) => {
    const { rowId } = last.get(rowIdOf(id as number, 0), rowIdOf(id as number + 1, 0))!;
    return rowId === null ? 0 : numberAt(rowId as number) + 1;
  });
  return Math.max(0, ...blocks) * BLOCK_IDS;
}
