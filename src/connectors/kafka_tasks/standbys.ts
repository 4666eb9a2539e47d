/**
 * The standbys of one process: copies of the states of tasks that other machines run.
 *
 * A standby writes the changelog of its task to a file on the local disk, and runs nothing. If the
 * task moves here, it is restored from that file, and reads only what came last. A standby never
 * ends the process, whatever happens to it: without one, a restore takes longer.
 *
 * A file is given a point only where all committed records have been read. A point in the middle
 * would carry the time of now. By that time, a later look at the file could not tell that records
 * of forgotten keys are gone from the changelog.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { Standby } from "../../group/log.ts";
import { changelogTopic } from "../../group/topology.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import type { TopicPartition } from "../kafka/wire/topic_partition.ts";
import { type ChangelogRecord, statesOf, takeRecord } from "./changelog_records.ts";
import type { ChangelogSpan, StateCache, StateCaches } from "./state_caches.ts";

/** How often the ends of changelogs are asked for, in milliseconds. */
export const LOOK_MS = 1_000;

/** How long a standby waits after a failure, in milliseconds. */
export const RETRY_MS = 60_000;

/** Reads changelogs. */
export interface ChangelogReads {
  /** Returns what a changelog is at present. Its end includes open transactions. */
  spanOf(of: TopicPartition): Promise<ChangelogSpan>;
  /** Returns where the committed records of each end at present, in the same order. */
  endsOf(all: readonly TopicPartition[]): Promise<readonly bigint[]>;
  /** Returns the committed records between two offsets, in several arrays. */
  read(
    of: TopicPartition,
    range: { readonly from: bigint; readonly to: bigint },
  ): AsyncIterable<readonly ChangelogRecord[]>;
}

/** What the standbys of a process need. */
export interface StandbysOptions {
  readonly app: string;
  readonly shards: number;
  readonly reads: ChangelogReads;
  readonly caches: StateCaches;
  readonly clock: Clock;
  readonly log: Log;
}

/** A file that is open, and how far it is. */
interface OpenFile {
  readonly cache: StateCache;
  readonly deleteRetentionMs: number;
  /** All committed records before it have been read. */
  at: bigint;
  positions: readonly StoredPosition[] | null;
  /** Whether it has ever been current. */
  wasCurrent: boolean;
  /** When nothing came after `at`, in milliseconds since the Unix epoch. */
  currentAt: number;
}

/** One standby. */
class TailedTask implements Standby {
  readonly task: TaskId;
  readonly of: TopicPartition;
  readonly #onClose: () => void;
  file: OpenFile | null = null;
  /** Whether its file is open, or being opened. */
  hasFile = false;
  isBusy = false;
  isClosed = false;
  retryAt = -Infinity;
  lag: number | null = null;
  hasFailed = false;

  constructor(task: TaskId, of: TopicPartition, onClose: () => void) {
    this.task = task;
    this.of = of;
    this.#onClose = onClose;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#onClose();
  }
}

/** Keeps the standbys of a process up to date. */
export class Standbys {
  readonly #options: StandbysOptions;
  readonly #tasks = new Map<TaskId, TailedTask>();
  readonly #working = new Set<Promise<void>>();
  #running: Promise<void> | null = null;
  #isClosed = false;
  #wake: () => void = () => {};
  #hasNews = false;

  /** Reads nothing before there is a standby. */
  constructor(options: StandbysOptions) {
    this.#options = options;
  }

  /**
   * Adds a standby of a task that has a changelog.
   *
   * @throws {Error} If there is one already.
   */
  add(task: TaskId): Standby {
    if (this.#tasks.has(task)) throw new Error(`task ${task} has a standby here already`);
    const { subtopology, partition } = partsOf(task);
    const of = { topic: changelogTopic(this.#options.app, subtopology), partition };
    const standby = new TailedTask(task, of, () => {
      this.#tasks.delete(task);
      this.#release(standby);
    });
    this.#tasks.set(task, standby);
    this.#running ??= this.#run();
    this.#news();
    return standby;
  }

  /** The task is to run here: its file is closed as it is, for the restore to open. */
  closeOf(task: TaskId): void {
    this.#tasks.get(task)?.close();
  }

  /** Ends all. The files are written when their caches are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const standby of [...this.#tasks.values()]) standby.close();
    this.#news();
    await this.#running;
    await Promise.all(this.#working);
  }

  #news(): void {
    this.#hasNews = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#hasNews = false;
      try {
        await this.#look();
      } catch (error) {
        if (this.#isClosed) return;
        this.#options.log.warn("standbys cannot see how far their tasks are", {
          error: messageOf(error),
        });
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    if (this.#hasNews || this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const cancel = wakeAfter(this.#options.clock, LOOK_MS, resolve);
    await promise;
    cancel();
  }

  /** Opens files that are not open, and has the others read what is new. */
  async #look(): Promise<void> {
    const now = this.#options.clock.now();
    const idle = [...this.#tasks.values()].filter((each) => !each.isBusy && now >= each.retryAt);
    for (const standby of idle) {
      const { file } = standby;
      // By now, the changelog may have forgotten which keys are gone.
      if (file !== null && now - file.currentAt > file.deleteRetentionMs / 2) {
        this.#release(standby);
      }
      if (standby.file === null) this.#work(standby, () => this.#open(standby));
    }
    const open = idle.filter(({ file }) => file !== null);
    if (open.length === 0) return;
    const ends = await this.#options.reads.endsOf(open.map(({ of }) => of));
    open.forEach((standby, i) => {
      const { file } = standby;
      if (file === null) return; // closed meanwhile
      standby.lag = Math.max(0, Number(ends[i] - file.at));
      if (standby.lag > 0) this.#work(standby, () => this.#read(standby, file, ends[i]));
      else this.#isCurrent(standby, file);
    });
  }

  #work(standby: TailedTask, work: () => Promise<void>): void {
    standby.isBusy = true;
    const done = this.#try(standby, work).finally(() => {
      standby.isBusy = false;
      this.#working.delete(done);
    });
    this.#working.add(done);
  }

  async #try(standby: TailedTask, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (standby.isClosed) return; // nobody needs it any more
      this.#options.log.warn("a standby has failed, and begins again in a minute", {
        task: standby.task,
        error: messageOf(error),
      });
      this.#rest(standby);
    }
  }

  /** It begins again later, from what is in the file by then. */
  #rest(standby: TailedTask): void {
    this.#release(standby);
    standby.retryAt = this.#options.clock.now() + RETRY_MS;
    standby.hasFailed = true;
  }

  #release(standby: TailedTask): void {
    standby.file = null;
    standby.lag = null;
    if (!standby.hasFile) return;
    standby.hasFile = false;
    this.#options.caches.release(standby.task);
  }

  async #open(standby: TailedTask): Promise<void> {
    const { reads, caches, clock } = this.#options;
    const span = await reads.spanOf(standby.of);
    if (standby.isClosed) return; // or nobody would close the file
    if (span.topic === "") return this.#rest(standby); // the log has the reason
    // A task that still runs here has the file open, and closes it by itself.
    if (caches.has(standby.task)) throw new Error("the task still runs here");
    standby.hasFile = true;
    const cache = await caches.open(standby.task, span);
    if (standby.isClosed) return;
    if (cache === null) return this.#rest(standby);
    const { offset } = cache;
    standby.hasFailed = false;
    standby.file = {
      cache,
      deleteRetentionMs: span.deleteRetentionMs,
      at: offset ?? span.start,
      positions: offset === null ? null : cache.positions,
      wasCurrent: false,
      currentAt: clock.now(),
    };
    this.#news();
  }

  async #read(standby: TailedTask, file: OpenFile, to: bigint): Promise<void> {
    const { app, reads, shards } = this.#options;
    const { of } = standby;
    for await (const records of reads.read(of, { from: file.at, to })) {
      if (standby.isClosed) return;
      const part = { positions: file.positions, states: statesOf(of.partition, shards) };
      for (const record of records) takeRecord(part, record, of, app);
      file.positions = part.positions;
      if (!await file.cache.copy(part.states.changes(), file.at, null)) return this.#over(standby);
    }
    if (standby.isClosed) return;
    if (!await file.cache.copy([], to, file.positions)) return this.#over(standby);
    // The first time, this takes long. A task that was to start meanwhile would wait for it.
    if (!file.wasCurrent) await file.cache.flush();
    if (standby.isClosed) return;
    file.at = to;
    standby.lag = 0;
    this.#isCurrent(standby, file);
  }

  #isCurrent({ task }: TailedTask, file: OpenFile): void {
    file.currentAt = this.#options.clock.now();
    if (file.wasCurrent) return;
    file.wasCurrent = true;
    this.#options.log.debug("the copy of a task's state is current", { task });
  }

  /** The file gets nothing any more: it was closed here, or its disk has failed. */
  #over(standby: TailedTask): void {
    if (!standby.isClosed) this.#rest(standby);
  }
}
