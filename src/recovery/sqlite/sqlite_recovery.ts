/**
 * Recovery in a local file.
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
import { findFile, prepareStorePath } from "./store_path.ts";
import { SqliteStore } from "./store.ts";

/**
 * Keeps state and positions in one SQLite file, which survives killed runs. Each committed epoch is
 * on the disk, so the file also survives a power failure.
 *
 * The file is made if it does not exist, and so is its folder, but not the folders above. Only
 * their owner may read them. `PATH-wal` and `PATH-shm` exist while a run has it open; `PATH-lock`
 * is empty and stays. Others may read the file meanwhile, for instance with `sqlite3`. It belongs
 * to one flow, and one run at a time. It must be on a local disk: SQLite's WAL does not work over a
 * network.
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
   * Creates the config; opens nothing yet.
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
   * Opens the file for a run of a flow, or makes it. If its folder has to be made too, the log
   * warns: you may have meant another folder, which has the state.
   *
   * @throws {RecoveryError} If it cannot be used; the file is then unchanged.
   */
  async open(flow: string, log: Log = silentLog): Promise<RecoveryStore> {
    return await SqliteStore.open(await prepareStorePath(this.#path, log), flow);
  }

  /**
   * Deletes the file, even if it is damaged, of another version, or of another flow.
   *
   * @throws {RecoveryError} If it is not a recovery store, a run uses it, or it cannot be deleted.
   */
  async drop(): Promise<void> {
    const path = await findFile(this.#path);
    if (path === undefined) return;
    if (!await isStore(path)) {
      throw refuse(
        path,
        "it is not a recovery store, so it is not dropped: choose another path, or delete it yourself",
      );
    }
    using _lock = await lockStore(path);
    // The main file goes first: without it, the others mean nothing.
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
  // SQLite cuts a name at a NUL.
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  throw new TypeError(
    "SqliteRecoveryConfig needs a path, or a file: URL; got " +
      (path instanceof URL ? path.href : preview(path)),
  );
}
