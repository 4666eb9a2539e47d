/**
 * Opens the file of a store: a new one gets its tables, one that is not ours stays as it is.
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

/** Building a flow must not load SQLite, nor warn where the runtime has none. */
export function loadSqlite(): Promise<typeof import("node:sqlite")> {
  return import("node:sqlite");
}

/** How long to wait for a program that reads or changes the file; the event loop waits as well. */
const BUSY_MS = 250;

/**
 * Up to this size all of a file is checked when it is opened, which takes 4 ms a MiB. Larger ones show
 * what is wrong with them when their keys are loaded, which reads all of it as well. Neither sees a
 * byte that has changed within a state: SQLite has no checksums.
 */
const CHECK_UP_TO_BYTES = 64 << 20;

/**
 * Opens the store of a flow for writing. Whoever calls this holds its lock.
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
      // SQLite takes a file of one byte for an empty one.
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

/** Where the header of a SQLite file has the number of its application (https://sqlite.org/fileformat2.html). */
const APPLICATION_ID_AT = 68;

/**
 * Whether a file is a store, whatever state it is in, or empty.
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
  // That of a new store may still be in its WAL.
  const { DatabaseSync } = await loadSqlite();
  try {
    using db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    return db.prepare("PRAGMA application_id").get()?.application_id === APPLICATION_ID;
  } catch {
    return false; // neither the header nor SQLite says that it is one
  }
}

/**
 * Makes sure that the file is a store, and that of this flow.
 *
 * @returns Whether there is a store; otherwise the file is empty.
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
    "it is damaged: bring back a copy of it, or delete it to begin anew without state and " +
      `positions (SQLite found: ${String(found).replaceAll("\n", " ")})`,
  );
}

function create(db: DatabaseSync, flow: string): void {
  // These are settled with the first page. The vacuum makes that free pages can be given back, at the
  // price of one page in a thousand. Pages of 8 KiB are a tenth faster than those of 4 KiB.
  db.exec(
    "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE",
  );
  db.exec(CREATE_TABLES);
  db.prepare("INSERT INTO meta (id, flow) VALUES (1, ?)").run(toStored(flow));
  writeMetaChecksum(db);
  db.exec("COMMIT");
}

function tune(db: DatabaseSync): void {
  db.exec("PRAGMA journal_mode = WAL");
  // An epoch survives a loss of power. NORMAL would save the 0.3 ms that the disk takes to say so.
  db.exec("PRAGMA synchronous = FULL");
  // The store looks after the WAL by itself, when an epoch has been committed.
  db.exec("PRAGMA wal_autocheckpoint = 0");
  // In KiB. With rows sorted, more hardly helps; and what is not in the cache at the end of an epoch
  // need not be written then, while the event loop waits.
  db.exec("PRAGMA cache_size = -16384");
}

/** Opened for writing, SQLite takes a file that can only be read all the same, until a row changes. */
function makeSureOfWriting(db: DatabaseSync): void {
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    db.prepare("UPDATE meta SET flow = flow").run();
  } finally {
    db.prepare("ROLLBACK").run();
  }
}
