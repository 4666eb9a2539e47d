/**
 * A store that a run has open: see `../store.ts` for what it does, `schema.ts` for what is in it.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Epoch, PartitionName, StepId } from "../../core/ids.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { preview } from "../../core/preview.ts";
import type {
  EpochChanges,
  KeyGroupRange,
  PositionRole,
  RecoveryStore,
  ResumePoint,
  StoredKey,
  StoredPosition,
  StoredStep,
} from "../store.ts";
import { nextEpoch } from "../next_epoch.ts";
import { explain, isFatal, refuse } from "./errors.ts";
import { giveBackPages, moveWal } from "./file_size.ts";
import { lockStore } from "./lock_file.ts";
import { openForRun } from "./open.ts";
import { StateWriter, Turns } from "./state_writer.ts";
import { fromStored, type StoredText, toStored } from "./stored_text.ts";

/** About how many rows are read at once, and how many bytes of state they may have. */
const CHUNK_ROWS = 4096;
const CHUNK_BYTES = 8 << 20;

/** What a run has open. One thing is done at a time; the next one waits for it. */
export class SqliteStore implements RecoveryStore {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #lock: Disposable;
  readonly #steps = new Map<StepId, number>();
  readonly #writer: StateWriter;
  readonly #load: StatementSync;
  #epoch: Epoch | null;
  #busy: Promise<unknown> = Promise.resolve();
  #closed = false;
  #failure: unknown;

  private constructor(path: string, db: DatabaseSync, lock: Disposable) {
    this.#path = path;
    this.#db = db;
    this.#lock = lock;
    this.#writer = new StateWriter(db, (step) => this.#numberOf(step));
    this.#load = db.prepare(
      "SELECT key, state FROM state WHERE step = ? AND key_group >= ? AND key_group < ?",
    );
    // Objects would take longer. Deno's types do not know it yet.
    (this.#load as StatementSync & { setReturnArrays(on: boolean): void }).setReturnArrays(true);
    this.#epoch = db.prepare("SELECT epoch FROM meta").get()!.epoch as Epoch | null;
    this.#readSteps();
  }

  /**
   * Opens a store, under its lock.
   *
   * @param path As `makePlace` gives it.
   * @param maxPages As with a disk that is full at that size: for tests.
   * @throws {RecoveryError} If it cannot be used.
   */
  static async open(path: string, flow: string, maxPages?: number): Promise<SqliteStore> {
    const lock = await lockStore(path);
    try {
      const db = await openForRun(path, flow);
      try {
        if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${maxPages}`);
        return new SqliteStore(path, db, lock);
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
      this.#epoch === null ? null : { epoch: this.#epoch, positions: readPositions(this.#db) }
    );
  }

  steps(): Promise<readonly StoredStep[]> {
    return this.#alone(() => readSteps(this.#db));
  }

  async *load(step: StepId, { from, to }: KeyGroupRange): AsyncGenerator<readonly StoredKey[]> {
    const turns = new Turns();
    let width = 1;
    for (let group = from; group < to;) {
      const next = Math.min(group + width, to);
      const keys = await this.#alone(() => this.#read(step, { from: group, to: next }));
      // Groups come from a hash, so the next ones are about as large.
      const bytes = keys.reduce((sum, [, state]) => sum + state.length, 1);
      const fitting = Math.min(CHUNK_ROWS / (keys.length + 1), CHUNK_BYTES / bytes);
      width = Math.max(1, Math.floor((next - group) * Math.min(8, fitting)));
      group = next;
      if (keys.length > 0) yield keys;
      if (turns.due) await turns.take();
    }
  }

  commit(epoch: Epoch, changes: EpochChanges): Promise<void> {
    return this.#alone(async () => {
      const next = nextEpoch(this.#epoch, epoch);
      this.#db.prepare("BEGIN IMMEDIATE").run();
      try {
        await this.#writer.write(changes.state);
        this.#writePositions(changes.positions);
        this.#db.prepare("UPDATE meta SET epoch = ?, committed_at = ?").run(next, Date.now());
        giveBackPages(this.#db);
        this.#db.prepare("COMMIT").run();
      } catch (error) {
        this.#rollBack(error);
        throw error;
      }
      this.#epoch = next;
      // The epoch is committed, whatever comes of this; if the disk is full or broken, the next
      // commit says so.
      await moveWal(this.#db, this.#path).catch(() => {});
    });
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

  /** One after the other: a commit gives others their turn, but they must not see half of it. */
  #alone<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#busy.then(async () => {
      if (this.#closed) throw refuse(this.#path, "it has been closed");
      if (this.#failure !== undefined) {
        throw refuse(this.#path, "it failed before: open it anew, with a new run", this.#failure);
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

  /**
   * Reads whole key groups, so that each is read once, whatever their keys are: SQLite does not see
   * all damage, and some would lead a search for "the next key" round in a circle.
   */
  #read(step: StepId, groups: KeyGroupRange): StoredKey[] {
    const number = this.#steps.get(step);
    if (number === undefined) return [];
    const rows = this.#load.all(number, groups.from, groups.to);
    const keys = rows as unknown as [StoredText, Uint8Array][];
    for (const row of keys) {
      const key = row[0] = fromStored(row[0]);
      const group = keyGroupOf(key);
      if (group >= groups.from && group < groups.to) continue;
      throw refuse(
        this.#path,
        `it is damaged: ${
          preview(key)
        } is not a key of group ${groups.from}: bring back a copy of ` +
          "it, or delete it to begin anew without state and positions",
      );
    }
    return keys as StoredKey[];
  }

  #rollBack(error: unknown): void {
    try {
      // After some errors SQLite has done it by itself.
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

  /** A step's number; a new one gets one, within the transaction that is open. */
  #numberOf(step: StepId): number {
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const { id } = this.#db.prepare("INSERT INTO step (name) VALUES (?) RETURNING id")
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

/** All positions. */
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

/** The steps that have keys. */
export function readSteps(db: DatabaseSync): StoredStep[] {
  const rows = db.prepare(
    "SELECT name, keys, bytes FROM step JOIN (SELECT step, count(*) AS keys, " +
      "sum(length(state)) AS bytes FROM state GROUP BY step) AS kept ON kept.step = step.id",
  ).all();
  return rows.map(({ name, keys, bytes }) => ({
    step: fromStored(name as StoredText),
    keys: keys as number,
    bytes: bytes as number,
  }));
}
