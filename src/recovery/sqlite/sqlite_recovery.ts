/**
 * Recovery in a file of this machine.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Log, silentLog } from "../../core/log.ts";
import { preview } from "../../core/preview.ts";
import { systemReason } from "../../core/system_error.ts";
import type { RecoveryConfig, RecoveryStore } from "../store.ts";
import { refuse } from "./errors.ts";
import { lockStore } from "./lock_file.ts";
import { isStore } from "./open.ts";
import { findFile, makePlace } from "./place.ts";
import { SqliteStore } from "./store.ts";

/**
 * Keeps state and positions in one SQLite file, which survives a run: also one that is killed, and,
 * as each epoch is on the disk when it has been committed, a machine that loses power.
 *
 * The file is made if there is none, and so is its folder, but not the ones above that; only their
 * owner may read them. Beside it are `PATH-wal` and `PATH-shm` while a run has it open, and
 * `PATH-lock`, which is empty and stays. Others may read it meanwhile, for instance with `sqlite3`. It
 * belongs to one flow, and one run at a time. It must be on a disk of this machine: SQLite's WAL does
 * not work over a network.
 *
 * If one of these files is moved, deleted or replaced while a run uses them, the run ends with a
 * `RecoveryError` at its next epoch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SqliteRecoveryConfig } from "@millrace/millrace";
 *
 * const folder = await Deno.makeTempDir();
 * const recovery = new SqliteRecoveryConfig(`${folder}/orders.db`);
 * const store = await recovery.open("orders");
 * assertEquals(await store.resume(), null); // Nothing yet: a first run.
 * await store.close();
 * await recovery.drop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class SqliteRecoveryConfig implements RecoveryConfig {
  readonly #path: string;

  /**
   * Opens nothing yet.
   *
   * @param path The file, as a path or a `file:` URL.
   * @throws {TypeError} If it is neither.
   */
  constructor(path: string | URL) {
    this.#path = pathOf(path);
  }

  /** The file's path. */
  get name(): string {
    return this.#path;
  }

  /**
   * Opens the file for a run of a flow, or makes it. If its folder has to be made too, the log says so:
   * another folder may have been meant, with the state in it.
   *
   * @throws {RecoveryError} If it cannot be used; it is left as it is then.
   */
  async open(flow: string, log: Log = silentLog): Promise<RecoveryStore> {
    return await SqliteStore.open(await makePlace(this.#path, log), flow);
  }

  /**
   * Deletes the file, also one that is damaged, of another version, or of another flow.
   *
   * @throws {RecoveryError} If it is no recovery store, a run uses it, or it cannot be deleted.
   */
  async drop(): Promise<void> {
    const path = await findFile(this.#path);
    if (path === undefined) return;
    if (!await isStore(path)) {
      throw refuse(
        path,
        "it is no recovery store, so it is not dropped: choose another path, or delete it yourself",
      );
    }
    using _lock = await lockStore(path);
    // The file first: without it, nothing else means anything.
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      try {
        await Deno.remove(file);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) continue;
        throw refuse(path, `${file} cannot be deleted: ${systemReason(error)}`, error);
      }
    }
  }
}

function pathOf(path: unknown): string {
  if (path instanceof URL && path.protocol === "file:") return fileURLToPath(path);
  // SQLite ends a name at a NUL.
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  throw new TypeError(
    "SqliteRecoveryConfig needs a path, or a file: URL; got " +
      (path instanceof URL ? path.href : preview(path)),
  );
}
