import { refuse } from "./errors.ts";
import { statOf } from "./store_path.ts";

/** The files of an open store, each as the suffix of its path. */
const FILES = ["", "-wal", "-shm", "-lock"];

/**
 * Checks that the files of a store are still those that were opened. SQLite continues silently when
 * one has been moved, deleted or replaced, and what it commits then is lost
 * (https://sqlite.org/howtocorrupt.html, 2.4). It looks from outside, without opening: see
 * `lock_file.ts`.
 */
export class StoreFiles {
  readonly #path: string;
  readonly #inodes = new Map<string, number | null>();

  /** `path` is the store's. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Notes which files there are, if it has not yet: some are made with the first epoch. */
  async note(): Promise<void> {
    for (const name of FILES) {
      if (this.#inodes.has(name)) continue;
      const info = await statOf(this.#path + name);
      if (info !== undefined) this.#inodes.set(name, info.ino);
    }
  }

  /**
   * Checks that the files are still there.
   *
   * @throws {RecoveryError} If one is not.
   */
  async check(): Promise<void> {
    for (const [name, inode] of this.#inodes) {
      const info = await statOf(this.#path + name);
      const isThere = info !== undefined && info.ino === inode;
      if (isThere && (name !== "" || info.size > 0)) continue;
      const what = isThere ? "emptied" : info === undefined ? "moved or deleted" : "replaced";
      throw refuse(
        this.#path,
        `${this.#path}${name} was ${what} while the run uses it, so nothing more is committed: put ` +
          "the files of the store back as they were, or a copy of them, and start again",
      );
    }
  }
}
