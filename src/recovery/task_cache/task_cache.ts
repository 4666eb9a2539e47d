/**
 * The file of a task, as the task's log sees it.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import { TimeSlice } from "../../core/event_loop.ts";
import type { StepId } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import { RecoveryError, type StateChunk, type StoredKey, type StoredPosition } from "../store.ts";
import { eachEntry } from "./block.ts";
import { type BlockBatch, bytesOf, type CachePoint } from "./cache_file.ts";
import { CacheFailure, type CacheThread } from "./cache_thread.ts";

/** How long changes wait before they are written, in milliseconds. */
export const WRITE_AFTER_MS = 10_000;

/** The most keys, and about how many bytes, that are sent together: some milliseconds of work. */
const KEYS_AT_ONCE = 4096;
const BYTES_AT_ONCE = 1 << 20;

/** About how many keys are returned together. */
const CHUNK_KEYS = 4096;

/** Keys of one step. */
export interface CachedKeys {
  readonly step: StepId;
  readonly keys: readonly StoredKey[];
}

/** What a file needs to be open. */
export interface TaskCacheParts {
  readonly path: string;
  /** Its number in the thread. */
  readonly file: number;
  readonly thread: CacheThread;
  readonly point: CachePoint | null;
  readonly refused: string | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once; `isFree`: whether the thread does not have the file open any more. */
  onClosed(isFree: boolean): void;
}

/** The state of a task on the local disk. Calls run one after the other. */
export class TaskCache {
  readonly #parts: TaskCacheParts;
  #busy: Promise<unknown> = Promise.resolve();
  #latest: CachePoint | null = null; // all its changes are with the thread; null if written
  #lastOffset: bigint | null;
  #cancelWrite: (() => void) | null = null;
  #hasChanged = false;
  #ending: Promise<void> | null = null;

  /** Made by `TaskCaches.open`. */
  constructor(parts: TaskCacheParts) {
    this.#parts = parts;
    this.#lastOffset = parts.point?.offset ?? null;
  }

  /** The file's path. */
  get path(): string {
    return this.#parts.path;
  }

  /**
   * The offset of the changelog as of which the state was read; `null` if the file is empty. The
   * changelog goes on there.
   */
  get offset(): bigint | null {
    return this.#parts.point?.offset ?? null;
  }

  /** The positions at that offset. */
  get positions(): readonly StoredPosition[] {
    return this.#parts.point?.positions ?? [];
  }

  /** Why the file that was there is not used; `null` if it is, or there was none. */
  get refused(): string | null {
    return this.#parts.refused;
  }

  /** Whether changes are not written any more, since the disk has failed or the file is closed. */
  get isOver(): boolean {
    return this.#ending !== null;
  }

  /**
   * Returns the keys as of {@linkcode offset}, in parts of some thousands; each key once. To be
   * read before the first change.
   *
   * @throws {RecoveryError} If the file cannot be read.
   */
  async *keys(): AsyncGenerator<CachedKeys> {
    const slice = new TimeSlice();
    let id = 0;
    let batch: Promise<BlockBatch | null> | null = null;
    for (;;) {
      if (this.#hasChanged) {
        throw new Error(`task cache ${this.path}: its keys must be read before the first change`);
      }
      const blocks: BlockBatch | null = await (batch ?? this.#read(0));
      if (blocks === null) return;
      batch = this.#read(blocks.next); // meanwhile
      batch.catch(() => {}); // thrown by the next round; nobody asks if there is none
      let keys: StoredKey[] = [];
      let from = 0;
      for (const spelled of blocks.keys) {
        from = eachEntry(
          JSON.parse(spelled),
          blocks.states,
          from,
          (key, state) => keys.push({ id: id++, key, state }),
        );
        if (keys.length < CHUNK_KEYS) continue;
        yield { step: blocks.step, keys };
        keys = [];
      }
      if (keys.length > 0) yield { step: blocks.step, keys };
      if (slice.isOver) await slice.renew();
    }
  }

  async #read(from: number): Promise<BlockBatch | null> {
    const { thread, file } = this.#parts;
    try {
      return await thread.ask(file, { kind: "read", from });
    } catch (error) {
      if (!(error instanceof CacheFailure)) throw error;
      const { isDamage, message } = error;
      await this.#end(isDamage);
      const cure = isDamage ? "it has been deleted, so start again" : "start again";
      throw new RecoveryError(`task cache ${this.path}: ${message}; ${cure}`, { cause: error });
    }
  }

  /**
   * Notes what the log has committed. It is written later, in the background.
   *
   * It resolves when the changes have been copied, and there is room for more. If the disk is
   * slower than the changes, that takes as long as the disk does. If the disk fails, the log gets a
   * warning, and changes are not noted any more.
   *
   * @param changes They hold their keys, and must not change until it resolves.
   * @param offset The offset after the last record of the commit. It must be committed.
   * @param positions All positions at that offset. `null`: more changes belong to these, and none
   * of them is in the file before a call that has positions.
   * @throws {TypeError} If a change does not hold its keys.
   * @throws {RangeError} If the offset is before that of an earlier call.
   */
  apply(
    changes: Iterable<StateChunk>,
    offset: bigint,
    positions: readonly StoredPosition[] | null,
  ): Promise<void> {
    this.#hasChanged = true;
    const committedAt = this.#parts.clock.now();
    return this.#alone(async () => {
      if (this.#lastOffset !== null && offset < this.#lastOffset) {
        throw new RangeError(`offset ${offset} is before ${this.#lastOffset}, which was committed`);
      }
      this.#lastOffset = offset;
      const slice = new TimeSlice();
      for (const chunk of changes) {
        for (const part of partsOf(chunk)) {
          if (this.isOver) return;
          const { keys, states } = part;
          const { thread, file } = this.#parts;
          await thread.send(
            file,
            { kind: "changes", ...part },
            bytesOf(keys, states),
            (error) => void this.#giveUp(error),
          );
          if (slice.isOver) await slice.renew();
        }
      }
      if (positions === null) return;
      this.#latest = { offset, positions, committedAt };
      this.#cancelWrite ??= wakeAfter(this.#parts.clock, WRITE_AFTER_MS, () => {
        this.#cancelWrite = null;
        void this.flush();
      });
    });
  }

  /** Writes what waits, and resolves when it is on the disk, or the disk has failed. */
  flush(): Promise<void> {
    return this.#alone(() => this.#commit());
  }

  /** Writes what waits, and closes the file. */
  close(): Promise<void> {
    return this.#alone(async () => {
      await this.#commit();
      await this.#end(false);
    });
  }

  /** Closes the file and deletes it. */
  drop(): Promise<void> {
    return this.#alone(() => this.#end(true));
  }

  /** Leaves the file as a crash does. The thread must have ended. */
  abandon(): void {
    this.#stop();
    this.#ending ??= Promise.resolve();
    this.#parts.onClosed(true);
  }

  async #commit(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    const point = this.#latest;
    if (point === null || this.isOver) return;
    await this.#parts.thread.ask(this.#parts.file, { kind: "commit", point });
    if (this.#latest === point) this.#latest = null;
  }

  /** Does work after that of earlier calls. A failure of the disk ends the writing only. */
  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#busy.then(async () => {
      if (this.#ending !== null) return await this.#ending;
      try {
        await work();
      } catch (error) {
        if (!(error instanceof CacheFailure)) throw error;
        await this.#giveUp(error);
      }
    });
    this.#busy = done.catch(() => {});
    return done;
  }

  async #giveUp(error: CacheFailure): Promise<void> {
    if (this.isOver) return;
    this.#parts.log.warn(
      "the task's state is not written to the disk any more: after a restart, more of the " +
        "changelog is read",
      { file: this.path, reason: error.message },
    );
    await this.#end(error.isDamage);
  }

  /** Closes the file, whatever its state. */
  #end(remove: boolean): Promise<void> {
    return this.#ending ??= this.#close(remove);
  }

  async #close(remove: boolean): Promise<void> {
    this.#stop();
    const { thread, file, log, onClosed } = this.#parts;
    try {
      await thread.ask(file, { kind: "close", remove });
      onClosed(true);
    } catch (error) {
      if (!(error instanceof CacheFailure)) throw error;
      log.warn("the file of a task's state could not be closed", {
        file: this.path,
        reason: error.message,
      });
      onClosed(false);
    }
  }

  #stop(): void {
    this.#latest = null;
    this.#cancelWrite?.();
    this.#cancelWrite = null;
  }
}

/** Copies changes, in parts that take a short time to send. */
function* partsOf({ step, keys, states, lengths }: StateChunk) {
  if (keys === null) throw new TypeError(`changes of step "${step}" do not hold their keys`);
  let offset = 0;
  for (let from = 0; from < keys.length;) {
    const begin = offset;
    let to = from;
    while (to < keys.length && to - from < KEYS_AT_ONCE && offset - begin < BYTES_AT_ONCE) {
      offset += Math.max(0, lengths[to++]);
    }
    yield {
      step,
      keys: keys.slice(from, to),
      states: states.slice(begin, offset),
      lengths: lengths.slice(from, to),
    };
    from = to;
  }
}
