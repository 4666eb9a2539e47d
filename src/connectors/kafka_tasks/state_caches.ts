/**
 * The states of a process's tasks on the local disk (`recovery/task_cache`), as the log uses them.
 *
 * The changelog is what counts. Whatever happens to a file costs time, and nothing else: without
 * one, the task is restored from the whole of its changelog.
 *
 * @module
 */
import { type Clock, elapsedOf, waitFor } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { RestoredKeys } from "../../group/log.ts";
import { RecoveryError, type StateChunk, type StoredPosition } from "../../recovery/store.ts";
import type { ExpectedCache } from "../../recovery/task_cache/expected.ts";
import type { TaskCache } from "../../recovery/task_cache/task_cache.ts";
import { CacheInUseError, TaskCaches } from "../../recovery/task_cache/task_caches.ts";
import { join } from "node:path";

/**
 * How long a worker of this machine that had the task before may take to close its file, in
 * milliseconds.
 */
const IN_USE_MS = 10_000;

/** How long to wait before the file is looked at again, in milliseconds. */
const PAUSE_MS = 50;

/** Changes that have yet to be copied, of all tasks, in bytes. */
const QUEUED_BYTES = 64 << 20;

/** What the changelog of a task is at present. */
export type ChangelogSpan = Omit<ExpectedCache, "app" | "task">;

/** What the caches of a process are made with. */
export interface StateCachesOptions {
  /** The folder of the app on this machine, which its workers share. */
  readonly folder: string;
  readonly app: string;
  readonly log: Log;
  readonly clock: Clock;
  /** For tests. */
  readonly caches?: (log: Log) => TaskCaches;
}

/** A task that has, or waits for, a file. */
interface OpenTask {
  /** `null` if the task has to do without one. */
  readonly opening: Promise<TaskCache | null>;
  /** The offset of what the file has been given; `null` until it gets what is committed. */
  offset: bigint | null;
}

/** The files of the tasks of one process. */
export class StateCaches {
  readonly #options: StateCachesOptions;
  readonly #log: Log;
  readonly #caches: TaskCaches;
  readonly #tasks = new Map<TaskId, OpenTask>();
  readonly #closing = new Map<TaskId, Promise<unknown>>();
  readonly #stored = new Map<TaskId, number>();
  #queued = 0;
  #room: PromiseWithResolvers<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #isClosed = false;

  /** Opens nothing yet. */
  constructor(options: StateCachesOptions) {
    this.#options = options;
    this.#log = once(options.log);
    const { caches = (log) => new TaskCaches({ log, clock: options.clock }) } = options;
    this.#caches = caches(this.#log);
  }

  /** How far the files are that this process has had; see `GroupLog.stored`. */
  get stored(): ReadonlyMap<TaskId, number> {
    return this.#stored;
  }

  #note(task: TaskId, offset: bigint): void {
    this.#stored.set(task, Number(offset));
  }

  /**
   * Opens the file of a task, which a worker of the same machine may be about to close. Returns
   * `null` if the task has to do without; the log then has the reason. To be released in any case.
   */
  async open(task: TaskId, changelog: ChangelogSpan): Promise<StateCache | null> {
    if (this.#tasks.has(task)) throw new Error(`the file of task ${task} is open already`);
    const open: OpenTask = { opening: this.#open(task, changelog), offset: null };
    this.#tasks.set(task, open);
    const cache = await open.opening;
    if (cache === null || this.#tasks.get(task) !== open) return null;
    if (cache.offset !== null) this.#note(task, cache.offset);
    return {
      offset: cache.offset,
      positions: cache.positions,
      keys: () => cache.keys(),
      drop: async () => {
        await cache.drop();
        this.#stored.delete(task);
        if (this.#tasks.get(task) === open) this.release(task); // else it was, and is here again
      },
      copy: async (changes, offset, positions) => {
        if (this.#failure !== null) throw this.#failure.error;
        if (this.#tasks.get(task) !== open || cache.isOver) return false;
        await cache.apply(changes, offset, positions);
        if (positions !== null) this.#note(task, offset);
        return this.#tasks.get(task) === open && !cache.isOver;
      },
      flush: () => cache.flush(),
      follow: (changes, offset, positions) => {
        if (this.#tasks.get(task) !== open) return;
        open.offset = offset;
        if (positions === null) return;
        this.#note(task, offset);
        this.#background(cache.apply(changes, offset, positions));
      },
    };
  }

  async #open(task: TaskId, changelog: ChangelogSpan): Promise<TaskCache | null> {
    const { folder, app, clock } = this.#options;
    const path = join(folder, `${task}.db`);
    await this.#closing.get(task);
    for (const deadline = elapsedOf(clock) + IN_USE_MS; !this.#isClosed;) {
      try {
        return await this.#caches.open(path, { app, task, ...changelog });
      } catch (error) {
        if (!(error instanceof RecoveryError)) throw error;
        if (!(error instanceof CacheInUseError) || elapsedOf(clock) >= deadline) {
          this.#log.warn(
            "the task's state is not kept on the disk: after a restart, its changelog is read",
            { file: path, reason: messageOf(error) },
          );
          return null;
        }
        await waitFor(clock, PAUSE_MS);
      }
    }
    return null;
  }

  /**
   * Notes what has been committed of a task. It is written in the background. Resolves at once, or
   * when there is room again: a disk that is slower than the changes holds them up.
   *
   * @param changes Must not change any more.
   * @param end Where the records of the commit end in the changelog; `null` if that is not known.
   */
  async committed(
    task: TaskId,
    changes: readonly StateChunk[],
    end: number | null,
    positions: readonly StoredPosition[],
  ): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const open = this.#tasks.get(task);
    if (open === undefined || open.offset === null) return;
    // A state that is newer than its offset does no harm: its change is read once more.
    if (end !== null) open.offset = BigInt(end);
    const { offset } = open;
    const cache = (await open.opening)!;
    if (cache.isOver) return;
    this.#note(task, offset);
    const bytes = changes.reduce((sum, chunk) => sum + bytesOf(chunk), 0);
    this.#queued += bytes;
    this.#background(cache.apply(changes, offset, positions).finally(() => this.#applied(bytes)));
    if (this.#queued <= QUEUED_BYTES) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  #applied(bytes: number): void {
    this.#queued -= bytes;
    if (this.#queued > QUEUED_BYTES) return;
    this.#room?.resolve();
    this.#room = null;
  }

  /** A fault of the disk has been logged. Anything else is one of ours, and ends the process. */
  #background(work: Promise<void>): void {
    work.catch((error) => this.#failure ??= { error });
  }

  /** Whether a task has, or waits for, a file. */
  has(task: TaskId): boolean {
    return this.#tasks.has(task);
  }

  /** The task is not one of this process any more: its file is written and closed. */
  release(task: TaskId): void {
    const open = this.#tasks.get(task);
    if (open === undefined) return;
    this.#tasks.delete(task);
    const before = this.#closing.get(task);
    const closed = Promise.all([before, open.opening.then((cache) => cache?.close())])
      .catch((error) => this.#failure ??= { error })
      .then(() => {
        if (this.#closing.get(task) === closed) this.#closing.delete(task);
      });
    this.#closing.set(task, closed);
  }

  /** Writes what waits, and closes all files. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const task of [...this.#tasks.keys()]) this.release(task);
    await Promise.all(this.#closing.values());
    await this.#caches.close();
  }

  /** Closes all files as a crash does: what waits is read from the changelog the next time. */
  abandon(): void {
    this.#isClosed = true;
    const openings = Array.from(this.#tasks.values(), ({ opening }) => opening);
    this.#tasks.clear();
    this.#caches.abandon();
    void Promise.allSettled(openings).then(() => this.#caches.abandon()); // some may have opened
  }
}

/** About how many bytes changes take. */
function bytesOf({ keys, states }: StateChunk): number {
  return states.length + KEY_BYTES * (keys?.length ?? 0);
}

const KEY_BYTES = 64;

/** The file of a task that is being restored. */
export interface StateCache {
  /** Where the changelog goes on after what is in the file; `null` if it is empty. */
  readonly offset: bigint | null;
  /** The positions at that offset. */
  readonly positions: readonly StoredPosition[];
  /** Returns the keys at that offset, each once. To be read before `follow`. */
  keys(): AsyncIterable<RestoredKeys>;
  /** Deletes the file, and releases the task. */
  drop(): Promise<void>;
  /**
   * The file of a standby gets what the owner of the task has committed. It resolves when there is
   * room for more, with whether the file is still open and its disk works.
   *
   * @param offset Where the changelog goes on after the changes.
   * @param positions The positions there; `null` if more belongs to the same point.
   */
  copy(
    changes: Iterable<StateChunk>,
    offset: bigint,
    positions: readonly StoredPosition[] | null,
  ): Promise<boolean>;
  /** Writes what was copied, and resolves when it is on the disk, or the disk has failed. */
  flush(): Promise<void>;
  /**
   * The task has been restored: from now on, its file gets what is committed.
   *
   * @param changes What the changelog had after the file's offset. Read in the background.
   * @param offset Where the changelog goes on after them.
   * @param positions The positions there; `null` if nothing has ever been committed.
   */
  follow(
    changes: Iterable<StateChunk>,
    offset: bigint,
    positions: readonly StoredPosition[] | null,
  ): void;
}

/** A disk that fails does so for all tasks: one warning is enough. */
function once(log: Log): Log {
  const known = new Set<unknown>();
  return {
    ...log,
    warn: (message, fields = {}) => {
      const { file, reason } = fields;
      const name = JSON.stringify([message, String(reason).replaceAll(String(file), "")]);
      if (known.has(name)) return log.debug(message, fields);
      known.add(name);
      log.warn(message, fields);
    },
  };
}
