/**
 * Shows the contents of a store, also while a run uses it.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Epoch, StepId } from "../../core/ids.ts";
import { firstKeys, type StoreInspector } from "../inspector.ts";
import { NoStoreError, type StoredKey, type StoredPosition, type StoredStep } from "../store.ts";
import { BLOCK_IDS } from "./block.ts";
import { BlockReader, type BlockRow } from "./block_reader.ts";
import { explain, refuse } from "./errors.ts";
import { checkHeader, loadSqlite } from "./open.ts";
import { findFile } from "./store_path.ts";
import { readPositions, readSteps } from "./store.ts";
import { fromStored, type StoredText, toStored } from "./stored_text.ts";

/** This many keys more than asked for are collected before they are sorted and cut. */
const MOST_SPARE = 10_000;

/**
 * Reads a store and never writes to it. Each answer is the last committed state when it was asked
 * for. Nothing is locked in between, so a run that uses the store does not notice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SqliteInspector } from "./inspector.ts";
 * import { SqliteRecoveryConfig } from "./sqlite_recovery.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const store = await new SqliteRecoveryConfig(`${folder}/orders.db`).open("orders");
 * const chunk = {
 *   step: "total",
 *   ids: new Float64Array([0]),
 *   keys: ["ada"],
 *   states: new Uint8Array([1]),
 *   lengths: new Int32Array([1]),
 * };
 * await store.commit(0, { state: [chunk], positions: [] });
 *
 * using inspector = await SqliteInspector.open(`${folder}/orders.db`);
 * assertEquals(inspector.flow, "orders");
 * assertEquals(inspector.steps(), [{ step: "total", keys: 1, bytes: 1 }]);
 * assertEquals(inspector.keys("total", 10).map(({ key }) => key), ["ada"]);
 *
 * await store.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class SqliteInspector implements StoreInspector {
  readonly #path: string;
  readonly #db: DatabaseSync;
  /** The flow that the store belongs to. */
  readonly flow: string;

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
    this.flow = fromStored(db.prepare("SELECT flow FROM meta").get()!.flow as StoredText);
  }

  /**
   * Opens a store to look into it.
   *
   * @throws {RecoveryError} If it does not exist or cannot be read.
   */
  static async open(path: string): Promise<SqliteInspector> {
    const found = await findFile(path);
    if (found === undefined) {
      const { message } = refuse(path, `there is no such file (looked in ${Deno.cwd()})`);
      throw new NoStoreError(message);
    }
    const { DatabaseSync } = await loadSqlite();
    try {
      const db = new DatabaseSync(found, { readOnly: true, timeout: 1000 });
      try {
        if (!checkHeader(db, found)) {
          throw new NoStoreError(refuse(found, "it is empty: no run has used it yet").message);
        }
        return new SqliteInspector(found, db);
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      throw explain(found, error);
    }
  }

  /** The last committed epoch; `null` if nothing has been committed. */
  get epoch(): Epoch | null {
    return this.#meta("epoch");
  }

  /** When it was committed. */
  get committedAt(): Date | null {
    const time = this.#meta("committed_at");
    return time === null ? null : new Date(time);
  }

  /** The steps that have keyed state. */
  steps(): readonly StoredStep[] {
    return this.#read(readSteps);
  }

  /** The positions of inputs and outputs. */
  positions(): readonly StoredPosition[] {
    return this.#read(readPositions);
  }

  /**
   * Returns keys of a step and their states: the first ones by UTF-16 code units. It reads all
   * keys.
   */
  keys(step: StepId, limit: number): readonly StoredKey[] {
    return this.#read((db) => {
      let first: StoredKey[] = [];
      for (const { reader, number, row } of blocksOf(db, step)) {
        for (let slot = 0; slot < BLOCK_IDS;) {
          const { keys, next } = reader.read(number, row, slot);
          first.push(...keys);
          slot = next;
        }
        if (first.length > limit + MOST_SPARE) first = [...firstKeys(first, limit)];
      }
      return firstKeys(first, limit);
    });
  }

  /** Returns the state of a key; `undefined` if it has none. It searches all keys. */
  get(step: StepId, key: string): Uint8Array | undefined {
    const spelled = JSON.stringify(key);
    return this.#read((db) => {
      for (const { reader, number, row } of blocksOf(db, step)) {
        if (row.keys?.includes(spelled) === false) continue;
        const slot = reader.keysOf(row).indexOf(key);
        if (slot >= 0) return reader.read(number, row, slot, slot + 1).keys[0]?.state;
      }
      return undefined;
    });
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #meta(column: "epoch" | "committed_at"): number | null {
    return this.#read((db) =>
      db.prepare(`SELECT ${column} FROM meta`).get()![column] as number | null
    );
  }

  /** Runs `work` in a transaction, so that all it reads belongs to one epoch. */
  #read<T>(work: (db: DatabaseSync) => T): T {
    try {
      this.#db.exec("BEGIN");
      try {
        return work(this.#db);
      } finally {
        this.#db.exec("ROLLBACK");
      }
    } catch (error) {
      throw explain(this.#path, error);
    }
  }
}

/** The blocks of a step. */
function* blocksOf(
  db: DatabaseSync,
  step: StepId,
): Generator<{ reader: BlockReader; number: number; row: BlockRow }, void> {
  const found = db.prepare("SELECT id FROM step WHERE name = ?").get(toStored(step));
  if (found === undefined) return;
  const number = found.id as number;
  const reader = new BlockReader(db);
  let last = -1;
  for (let rows; (rows = reader.rows(number, last)).length > 0;) {
    for (const row of rows) yield { reader, number, row };
    last = rows.at(-1)!.block;
  }
}
