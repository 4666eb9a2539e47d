/**
 * The state of tasks on the local disk, so that a restart need not read the changelog from its
 * beginning.
 *
 * The log is what counts. A file is written after the log's commit, some seconds later, and holds
 * the state as of an offset of the changelog. So a file is never ahead of the log, and a crash
 * leaves nothing to clean up. A file that cannot be used or written costs time, and nothing else.
 *
 * All files of a process are written by one thread, which starts with the first file.
 *
 * @module
 */
import { dirname } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { systemReason } from "../../core/system_error.ts";
import { tryLock } from "../sqlite/lock_file.ts";
import { RecoveryError } from "../store.ts";
import { CacheFailure, CacheThread, startThread, type ThreadHandle } from "./cache_thread.ts";
import type { ExpectedCache } from "./expected.ts";
import { TaskCache } from "./task_cache.ts";

/** Another process, or another task of this one, has the file open. */
export class CacheInUseError extends RecoveryError {}

/** What the files of a process need. */
export interface TaskCachesOptions {
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Accepts why a file is not used, or not written any more. */
  readonly log?: Log;
  /** For tests: starts the thread. */
  readonly startThread?: () => ThreadHandle;
}

/** The files of a process. */
export class TaskCaches {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #startThread: () => ThreadHandle;
  readonly #open = new Set<TaskCache>();
  readonly #locks = new Set<Disposable>();
  readonly #toldReasons = new Set<string>();
  #thread: CacheThread | null = null;
  #lastFile = 0;

  constructor(options: TaskCachesOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#startThread = options.startThread ?? startThread;
  }

  /**
   * Opens the file of a task, and makes it if need be. A file that must not be used is replaced by
   * an empty one, and the log says why.
   *
   * @param path Such as `DIR/keyed_3.db`. The folder is made.
   * @throws {CacheInUseError} If it is open already, here or in another process.
   * @throws {RecoveryError} If the file cannot be made.
   */
  async open(path: string, expected: ExpectedCache): Promise<TaskCache> {
    const failure = (reason: string, cause?: unknown) =>
      new RecoveryError(`task cache ${path}: ${reason}`, { cause });
    try {
      await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw failure(`its folder cannot be made: ${systemReason(error)}`, error);
    }
    const lock = await tryLock(path, failure);
    if (lock === null) {
      throw new CacheInUseError(
        `task cache ${path}: another process uses it: give each process on this machine a folder of ` +
          "its own (--state-dir), or wait until that one has ended",
      );
    }
    const thread = this.#thread ??= new CacheThread(this.#clock, this.#startThread());
    const file = ++this.#lastFile;
    this.#locks.add(lock);
    try {
      const now = this.#clock.now();
      const { point, refused } = await thread.ask(file, { kind: "open", path, expected, now });
      if (refused !== null) {
        this.#tellRefused(path, refused);
      }
      const cache = new TaskCache({
        path,
        file,
        thread,
        point,
        refused,
        clock: this.#clock,
        log: this.#log,
        onClosed: (isFree) => {
          this.#open.delete(cache);
          if (isFree) this.#free(lock);
        },
      });
      this.#open.add(cache);
      return cache;
    } catch (error) {
      this.#free(lock);
      if (error instanceof CacheFailure) throw failure(error.message, error);
      throw error;
    }
  }

  /** After a reset that is so for all tasks: one line says it. */
  #tellRefused(path: string, reason: string): void {
    const fields = { file: path, reason };
    this.#log.debug("the task's state on disk is not used: the changelog is read instead", fields);
    const kind = reason.replaceAll(/\d+/g, "N"); // offsets and ids differ
    if (this.#toldReasons.has(kind)) return;
    this.#toldReasons.add(kind);
    this.#log.info(
      "states of tasks on disk are not used: their changelogs are read instead (each file is " +
        "in the log at the level debug)",
      { folder: dirname(path), reason },
    );
  }

  /** Writes what is to be written, closes all files, and ends the thread. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((cache) => cache.close()));
    this.abandon();
  }

  /** Ends the thread without writing what waits, as a crash does. */
  abandon(): void {
    this.#thread?.terminate();
    this.#thread = null;
    for (const cache of this.#open) cache.abandon();
    for (const lock of this.#locks) this.#free(lock);
  }

  #free(lock: Disposable): void {
    if (this.#locks.delete(lock)) lock[Symbol.dispose]();
  }
}
