/**
 * Opens the file of a store. A new file gets its tables; a file that is not ours stays as it is.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { systemReason } from "../../core/system_error.ts";
import { explain, refuse } from "./errors.ts";
import { checkMeta, writeMetaChecksum } from "./meta_checksum.ts";
import { makeFile, statOf } from "./store_path.ts";
import { APPLICATION_ID, CREATE_TABLES, SCHEMA_VERSION } from "./schema.ts";
import { fromStored, type StoredText, toStored } from "./stored_text.ts";

/**
 * Loads SQLite only when it is needed: building a flow must not, nor warn where a runtime has none.
 */
export function loadSqlite(): Promise<typeof import("node:sqlite")> {
  return import("node:sqlite");
}

/** How long to wait for a program that reads or changes the file. The event loop waits as well. */
const BUSY_MS = 250;

/**
 * A file up to this size is checked as a whole when it is opened, which takes 4 ms per MiB.
 *
 * That check finds damage of SQLite's own structures. Loading the keys verifies the checksum of
 * every block, so damage in a larger file, and inside a state, is found then.
 */
const CHECK_UP_TO_BYTES = 64 << 20;

/**
 * Opens the store of a flow for writing. The caller holds its lock.
 *
 * @throws {RecoveryError} If it cannot be used.
 */
export async function openForRun(path: string, flow: string): Promise<DatabaseSync> {
  const { DatabaseSync } = await loadSqlite();
  await makeFile(path);
  try {
    // A connection that may write leaves traces, such as an emptied WAL, also in files of others.
    const check = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    let isNew: boolean;
    try {
      const size = (await statOf(path))?.size ?? 0;
      isNew = !checkHeader(check, path, flow);
      // SQLite treats a file of one byte as an empty one.
      if (isNew && size > 0 && check.prepare("PRAGMA page_count").get()!.page_count === 0) {
        throw refuse(path, "it is not a SQLite database: choose another path for the store");
      }
      if (!isNew && size <= CHECK_UP_TO_BYTES) checkPages(check, path);
    } finally {
      check.close();
    }
    const db = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      if (isNew) create(db, flow);
      tune(db);
      makeSureOfWriting(db);
    } catch (error) {
      db.close();
      throw error;
    }
    return db;
  } catch (error) {
    throw explain(path, error);
  }
}

/** Offset of the application id in a SQLite file (https://sqlite.org/fileformat2.html). */
const APPLICATION_ID_AT = 68;

/**
 * Whether a file is a store in any state, or empty.
 *
 * @throws {RecoveryError} If it cannot be read.
 */
export async function isStore(path: string): Promise<boolean> {
  const header = new Uint8Array(APPLICATION_ID_AT + 4);
  let read: number | null;
  try {
    using file = await Deno.open(path);
    read = await file.read(header);
  } catch (error) {
    throw refuse(path, `it cannot be read: ${systemReason(error)}`, error);
  }
  if (read === null) return true;
  const isSqlite = new TextDecoder().decode(header.subarray(0, 15)) === "SQLite format 3";
  if (!isSqlite || read < header.length) return false;
  if (new DataView(header.buffer).getUint32(APPLICATION_ID_AT) === APPLICATION_ID) return true;
  // The application id of a new store may still be in its WAL.
  const { DatabaseSync } = await loadSqlite();
  try {
    using db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    return db.prepare("PRAGMA application_id").get()?.application_id === APPLICATION_ID;
  } catch {
    return false; // neither the header nor SQLite knows our application id
  }
}

/**
 * Checks that the file is a store, and that it is this flow's.
 *
 * @returns Whether there is a store; if not, the file is empty.
 * @throws {RecoveryError} If it is something else.
 */
export function checkHeader(db: DatabaseSync, path: string, flow?: string): boolean {
  const pragma = (name: string) => db.prepare(`PRAGMA ${name}`).get()![name] as number;
  const application = pragma("application_id");
  const version = pragma("user_version");
  if (application !== APPLICATION_ID) {
    const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
    if (application === 0 && version === 0 && tables === 0) return false;
    throw refuse(
      path,
      "it is a database of another application: choose another path for the store",
    );
  }
  if (version !== SCHEMA_VERSION) {
    const need = version > SCHEMA_VERSION ? "a newer" : "another";
    throw refuse(
      path,
      `its format has version ${version}, and this Millrace reads version ${SCHEMA_VERSION}: ` +
        `run it with ${need} one, or choose another path`,
    );
  }
  checkMeta(db);
  const owner = fromStored(db.prepare("SELECT flow FROM meta").get()!.flow as StoredText);
  if (flow !== undefined && owner !== flow) {
    throw refuse(
      path,
      `it belongs to the flow ${JSON.stringify(owner)}, and this is ${JSON.stringify(flow)}: ` +
        "give each flow a store of its own",
    );
  }
  return true;
}

function checkPages(db: DatabaseSync, path: string): void {
  const { quick_check: found } = db.prepare("PRAGMA quick_check(1)").get()!;
  if (found === "ok") return;
  throw refuse(
    path,
    "it is damaged: bring back a copy of it, or delete it to begin again without state and " +
      `positions (SQLite found: ${String(found).replaceAll("\n", " ")})`,
  );
}

function create(db: DatabaseSync, flow: string): void {
  // These are fixed with the first page. `auto_vacuum` allows freeing pages, at the price of one
  // page in a thousand. Pages of 8 KiB are a tenth faster than those of 4 KiB.
  db.exec(
    "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; " +
      "BEGIN IMMEDIATE",
  );
  db.exec(CREATE_TABLES);
  db.prepare("INSERT INTO meta (id, flow) VALUES (1, ?)").run(toStored(flow));
  writeMetaChecksum(db);
  db.exec("COMMIT");
}

function tune(db: DatabaseSync): void {
  db.exec("PRAGMA journal_mode = WAL");
  // An epoch survives a power failure. NORMAL would save the 0.3 ms that the disk takes to confirm.
  db.exec("PRAGMA synchronous = FULL");
  // The store checkpoints the WAL itself, after an epoch has been committed.
  db.exec("PRAGMA wal_autocheckpoint = 0");
  // In KiB. Since rows are sorted, more hardly helps. Also, pages outside the cache are already
  // written when the epoch ends, while the event loop waits.
  db.exec("PRAGMA cache_size = -16384");
}

/** Checks that rows can be changed: SQLite opens a read-only file for writing without an error. */
function makeSureOfWriting(db: DatabaseSync): void {
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    db.prepare("UPDATE meta SET flow = flow").run();
  } finally {
    db.prepare("ROLLBACK").run();
  }
}
