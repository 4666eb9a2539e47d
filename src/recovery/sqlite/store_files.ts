import { refuse } from "./errors.ts";
import { statOf } from "./store_path.ts";

/** The files of a store that is open, as what follows its path. */
const FILES = ["", "-wal", "-shm", "-lock"];

/**
 * Sees whether the files of a store are still those that were opened. SQLite goes on without a word
 * when one has been moved, deleted or replaced, and what it commits then is lost
 * (https://sqlite.org/howtocorrupt.html, 2.4). Looks from outside: see `lock_file.ts`.
 */
export class StoreFiles {
  readonly #path: string;
  readonly #inodes = new Map<string, number | null>();

  /** `path` is that of the store. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Notes which files there are, where that is not known yet: some are made with the first epoch. */
  async note(): Promise<void> {
    for (const name of FILES) {
      if (this.#inodes.has(name)) continue;
      const info = await statOf(this.#path + name);
      if (info !== undefined) this.#inodes.set(name, info.ino);
    }
  }

  /**
   * Makes sure that they are there.
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
