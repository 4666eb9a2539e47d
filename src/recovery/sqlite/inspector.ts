/**
 * A look into a store, also while a run uses it.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Epoch, StepId } from "../../core/ids.ts";
import { KEY_GROUPS, keyGroupOf } from "../../core/key_groups.ts";
import type { StoredKey, StoredPosition, StoredStep } from "../store.ts";
import { explain, refuse } from "./errors.ts";
import { checkHeader, loadSqlite } from "./open.ts";
import { findFile } from "./place.ts";
import { readPositions, readSteps } from "./store.ts";
import { fromStored, type StoredText, toStored, toUtf16 } from "./stored_text.ts";

/** Which keys, and how many at most. */
export interface KeySelection {
  /** What they begin with. */
  readonly prefix?: string;
  /** No more than that. */
  readonly limit: number;
}

/** Each group by itself, so that a step's keys with a prefix are found without reading the others. */
function findKeys(range: string): string {
  return `
    WITH RECURSIVE
      groups (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM groups WHERE n < ${KEY_GROUPS - 1})
    SELECT key, state FROM groups CROSS JOIN state
    WHERE step = (SELECT id FROM step WHERE name = ?) AND key_group = groups.n AND ${range}
    ORDER BY key LIMIT ?`;
}

/**
 * Reads a store and never writes to it. Each answer is what was last committed when it was asked for;
 * nothing is held in between, so the run that uses the store does not notice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SqliteInspector } from "./inspector.ts";
 * import { SqliteRecoveryConfig } from "./sqlite_recovery.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const store = await new SqliteRecoveryConfig(`${folder}/orders.db`).open("orders");
 * const state = [{ step: "total", key: "ada", state: new Uint8Array([1]) }];
 * await store.commit(0, { state, positions: [] });
 *
 * using inspector = await SqliteInspector.open(`${folder}/orders.db`);
 * assertEquals(inspector.flow, "orders");
 * assertEquals(inspector.steps(), [{ step: "total", keys: 1, bytes: 1 }]);
 * assertEquals(inspector.keys("total", { limit: 10 }), [["ada", new Uint8Array([1])]]);
 *
 * await store.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class SqliteInspector implements Disposable {
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
   * @throws {RecoveryError} If there is none, or it cannot be read.
   */
  static async open(path: string): Promise<SqliteInspector> {
    const place = await findFile(path);
    if (place === undefined) throw refuse(path, "there is no such file");
    const { DatabaseSync } = await loadSqlite();
    try {
      const db = new DatabaseSync(place, { readOnly: true, timeout: 1000 });
      try {
        if (!checkHeader(db, place)) throw refuse(place, "it is empty");
        return new SqliteInspector(place, db);
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      throw explain(place, error);
    }
  }

  /** The last committed epoch; `null` where nothing has been committed. */
  get epoch(): Epoch | null {
    return this.#meta("epoch");
  }

  /** When it was committed. */
  get committedAt(): Date | null {
    const time = this.#meta("committed_at");
    return time === null ? null : new Date(time);
  }

  /** The steps that have keyed state. This reads all of it. */
  steps(): readonly StoredStep[] {
    return this.#read(readSteps);
  }

  /** How far inputs and outputs have come. */
  positions(): readonly StoredPosition[] {
    return this.#read(readPositions);
  }

  /**
   * Keys of a step and their states: the first ones in the order of their UTF-8 bytes, and behind
   * them those that are not well-formed Unicode or hold a NUL.
   *
   * @throws {RangeError} If the prefix ends in half of a character.
   */
  keys(step: StepId, { prefix = "", limit }: KeySelection): readonly StoredKey[] {
    if (!prefix.isWellFormed()) throw new RangeError("a prefix must be well-formed Unicode");
    return this.#read((db) => {
      const rows = (from: StoredText, to?: StoredText) =>
        to === undefined
          ? db.prepare(findKeys("key >= ?")).all(toStored(step), from, limit)
          : db.prepare(findKeys("key >= ? AND key < ?")).all(toStored(step), from, to, limit);
      const texts = prefix.includes("\0") ? [] : rows(prefix, afterAll(prefix));
      const units = toUtf16(prefix);
      const others = rows(units, afterAllBytes(units));
      return [...texts, ...others].slice(0, limit)
        .map(({ key, state }) => [fromStored(key as StoredText), state as Uint8Array]);
    });
  }

  /** The state of a key, if it has one. */
  get(step: StepId, key: string): Uint8Array | undefined {
    return this.#read((db) =>
      db.prepare(
        "SELECT state FROM state WHERE step = (SELECT id FROM step WHERE name = ?) " +
          "AND key_group = ? AND key = ?",
      ).get(toStored(step), keyGroupOf(key), toStored(key))?.state as Uint8Array | undefined
    );
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

  #read<T>(work: (db: DatabaseSync) => T): T {
    try {
      return work(this.#db);
    } catch (error) {
      throw explain(this.#path, error);
    }
  }
}

/** After all texts that begin so, and before all others that come later. */
function afterAll(prefix: string): StoredText {
  const points = [...prefix].map((character) => character.codePointAt(0)!);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  // Every BLOB comes after every text.
  if (last === undefined) return new Uint8Array();
  // There are no characters where the surrogates are.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

/** The same for bytes; after all of them there is nothing. */
function afterAllBytes(prefix: Uint8Array): Uint8Array | undefined {
  const length = prefix.findLastIndex((byte) => byte !== 0xff) + 1;
  if (length === 0) return undefined;
  const after = prefix.slice(0, length);
  after[length - 1]++;
  return after;
}
