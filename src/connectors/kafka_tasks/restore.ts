/**
 * Restores tasks: where they go on, and the keys that they have.
 *
 * The order matters. First the positions of the group are read, once no open transaction can change
 * them. By then, the last owner has committed or cannot any more. Then the end of the changelog is
 * asked for, open transactions included, and committed records are read up to there. The markers of
 * a transaction reach the two topics at different times, so the last stable offset of the changelog
 * alone may be too early.
 *
 * If the disk has the state as of an offset of the changelog, the rest is read from there on. What
 * the disk has must fit to the positions of the group as well. If it does not, it is deleted, and
 * the whole changelog counts.
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import { TimeSlice } from "../../core/event_loop.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { Log } from "../../core/log.ts";
import type { RestoredKeys, RestoredTask, RestoreProgress } from "../../group/log.ts";
import {
  changelogTopic,
  controlTopic,
  type GroupTopology,
  shuffleTopic,
  type SubTopology,
} from "../../group/topology.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import { persist } from "../kafka/transactions/persist.ts";
import { type GroupOffset, hasGroupOffsets, offsetFetch } from "../kafka/wire/offset_fetch.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { statesOf, takeRecord } from "./changelog_records.ts";
import { readControl } from "./control_topic.ts";
import { settingsOf } from "./internal_topics.ts";
import type { LatestStates } from "./latest_states.ts";
import { PATIENCE_MS, persisting } from "./persisting.ts";
import { positionsInMetadata, readOffsets } from "./positions.ts";
import type { ChangelogSpan, StateCache, StateCaches } from "./state_caches.ts";
import { StableOffsets } from "./stable_offsets.ts";
import { lostOffsets, TaskLogError, toBeginAgain, unreadablePositions } from "./task_log_error.ts";

/** How long a changelog may send nothing, in milliseconds: transactions end before. */
const SILENCE_MS = 60_000;

/** How long the first offsets of a group may take after their commit, in milliseconds. */
const FIRST_OFFSETS_MS = 3_000;

/** How long to wait before the group is asked for them again, in milliseconds. */
const PAUSE_MS = 20;

/** How long a topic keeps the record of a forgotten key. */
const DELETE_RETENTION = "delete.retention.ms";

/** What a {@linkcode Restorer} needs. */
export interface RestorerOptions {
  readonly app: string;
  readonly groupId: string;
  readonly topology: GroupTopology;
  /** Whether anything has been committed before this process. */
  readonly hasBegun: boolean;
  /** Tasks whose positions were in another place before the flow was cut in another way. */
  readonly moved: ReadonlySet<TaskId>;
  /** Knows the internal topics, reads uncommitted records, and is for nothing else. */
  readonly connection: KafkaConnection;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** What the disk has; `null` if nothing is kept there. */
  readonly caches: StateCaches | null;
}

/** What a task is restored with. */
export interface RestoreOptions {
  /** Whether it has committed in this generation, by what the control topic says. */
  readonly hasCommitted: boolean;
  /** From {@linkcode Restorer.begin}. */
  readonly signal: AbortSignal;
}

/** What there is of a task, on the disk and in its changelog. */
interface Changelog {
  /** `null` if the task has never been committed. */
  positions: readonly StoredPosition[] | null;
  /** What the changelog has, from where the disk ends. */
  readonly states: LatestStates;
  /** What the disk has; `null` for nothing. */
  readonly cache: StateCache | null;
  /** Where the changelog goes on after it. */
  readonly end: bigint;
}

/** Restores the tasks of one process. Several can be restored side by side. */
export class Restorer {
  readonly #options: RestorerOptions;
  readonly #stable: StableOffsets;
  readonly #restoring = new Map<TaskId, AbortController>();
  #hasBegun: boolean; // whether anything is known to have been committed
  #knowsNoIds = false; // whether the brokers have no ids of topics
  #waiting = 0; // how many tasks wait for the first offsets of the group

  constructor(options: RestorerOptions) {
    this.#options = options;
    const { connection, groupId, signal, hasBegun } = options;
    this.#hasBegun = hasBegun;
    this.#stable = new StableOffsets(connection, groupId, signal);
  }

  /** Whether a task waits until its last owner has committed, or cannot any more. */
  get isWaiting(): boolean {
    return this.#waiting > 0 || this.#stable.isWaiting;
  }

  /** A task is to be restored. Returns what is aborted if it is released before it is. */
  begin(task: TaskId): AbortSignal {
    const ended = new AbortController();
    this.#restoring.set(task, ended);
    return ended.signal;
  }

  /** Restores a task; see `GroupLog.restore`. To be released before it is restored again. */
  async restore(
    task: TaskId,
    { hasCommitted, signal }: RestoreOptions,
    onProgress?: (progress: RestoreProgress) => void,
  ): Promise<RestoredTask> {
    const subtopology = this.#subtopologyOf(task);
    const offsets = await this.#stable.ask((broker) =>
      offsetFetch(broker, this.#options.groupId, this.#partitionsOf(task, subtopology))
    );
    const committed = offsets.filter(({ offset }) => offset !== null);
    if (!subtopology.hasState) {
      const positions = this.#inMetadata(task, committed);
      await this.#require(task, subtopology, {
        positions,
        hasKeys: false,
        committed,
        hasCommitted,
      });
      return { positions: positions ?? [], keys: noKeys };
    }
    for (;;) {
      const changelog = await this.#read(task, signal, onProgress);
      const { positions, states, cache } = changelog;
      try {
        const hasKeys = states.size > 0 || cache?.offset != null;
        await this.#require(task, subtopology, { positions, hasKeys, committed, hasCommitted });
      } catch (error) {
        if (!(error instanceof TaskLogError) || cache?.offset == null) throw error;
        this.#options.log.warn(
          "the task's state on disk does not fit to the group: its changelog is read instead",
          { task, reason: error.message },
        );
        await cache.drop();
        continue;
      }
      return { positions: positions ?? [], keys: () => keysOf(changelog) };
    }
  }

  /** Makes sure that what there is of a task fits together, or that nothing is missing. */
  async #require(
    task: TaskId,
    subtopology: SubTopology,
    { positions, hasKeys, committed, hasCommitted }: {
      readonly positions: readonly StoredPosition[] | null;
      readonly hasKeys: boolean;
      readonly committed: readonly GroupOffset[];
      readonly hasCommitted: boolean;
    },
  ): Promise<void> {
    await (committed.length > 0 ? this.#requireBegun(task) : this.#requireOffsets(task));
    if (positions !== null) return this.#requireAgreement(task, positions, committed);
    if (committed.length > 0) throw this.#isLost(task, subtopology, committed);
    if (hasKeys) throw this.#isDamaged(task);
    if (hasCommitted) throw this.#isForgotten(task, subtopology);
    await this.#requireNew(task, subtopology);
  }

  /**
   * Makes sure that a group with offsets has its topics. If those were deleted, and made again by
   * this machine, the state is lost, and the offsets would have its inputs go on without it.
   */
  async #requireBegun(task: TaskId): Promise<void> {
    if (this.#hasBegun) return;
    const { app, groupId, connection } = this.#options;
    // Another machine may have begun since this process was started.
    this.#hasBegun = (await readControl({ app, connection })).hasBegun;
    if (this.#hasBegun) return;
    throw new TaskLogError(
      `task "${task}" cannot be restored: group "${groupId}" has offsets, but its topic ` +
        `"${controlTopic(app)}" knows of none: were its topics deleted, and not the group? What ` +
        `they had is lost: ${toBeginAgain(app)}`,
    );
  }

  /**
   * Makes sure that the group has not lost its offsets, if tasks without a changelog need them.
   * Each task checks that. If one with a changelog went on, it would commit, and the others would
   * take their partitions, which have no offsets, for new ones.
   */
  async #requireOffsets(task: TaskId): Promise<void> {
    const { topology } = this.#options;
    if (!this.#hasBegun || topology.subtopologies.every(({ hasState }) => hasState)) return;
    if (!await this.#hasOffsets()) throw this.#hasExpired(task);
  }

  /** The task has been given up: what is read of it at present is not needed any more. */
  release(task: TaskId): void {
    this.#restoring.get(task)?.abort(new Error(`task ${task} has been given up`));
    this.#restoring.delete(task);
    this.#options.caches?.release(task);
  }

  #subtopologyOf(task: TaskId): SubTopology {
    const { subtopology } = partsOf(task);
    const found = this.#options.topology.subtopologies.find(({ name }) => name === subtopology);
    if (found === undefined) throw new TypeError(`the flow has no task "${task}"`);
    return found;
  }

  /** What a task may read. Topics that do not have the partition have no position of it. */
  #partitionsOf(task: TaskId, { sourceTopics, hasShuffle }: SubTopology): TopicPartition[] {
    const { subtopology, partition } = partsOf(task);
    const topics = [...new Set(sourceTopics)];
    if (hasShuffle) topics.push(shuffleTopic(this.#options.app, subtopology));
    return topics.map((topic) => ({ topic, partition }));
  }

  async #read(
    task: TaskId,
    signal: AbortSignal,
    onProgress?: (progress: RestoreProgress) => void,
  ): Promise<Changelog> {
    const { app, connection, caches } = this.#options;
    const { subtopology, partition } = partsOf(task);
    const of = { topic: changelogTopic(app, subtopology), partition };
    const span = await this.spanOf(of);
    signal.throwIfAborted(); // or nobody would close the file
    const cache = caches === null || span.topic === "" ? null : await caches.open(task, span);
    const offset = cache?.offset ?? null;
    const changelog = await persisting(connection, async () => {
      const changelog: Changelog = {
        positions: offset === null ? null : cache!.positions,
        states: statesOf(partition, this.#options.topology.shards),
        cache,
        end: span.end,
      };
      const options = {
        ...offset === null ? {} : { from: Number(offset) },
        to: Number(span.end),
        patienceMs: SILENCE_MS,
        what: `the state of task "${task}"`,
        ifLost: `bring the topic back from a copy, or ${toBeginAgain(this.#options.app)}`,
        ...onProgress === undefined ? {} : { onProgress },
      };
      for await (const records of readCommitted(connection, of, options)) {
        if (signal.aborted) break;
        for (const record of records) takeRecord(changelog, record, of, app);
      }
      return changelog;
    });
    signal.throwIfAborted();
    this.#options.log.debug("the changelog of a task has been read", {
      task,
      records: Number(span.end - (offset ?? span.start)),
      end: Number(span.end),
      onDisk: offset !== null,
    });
    return changelog;
  }

  /** Returns what a changelog is at present. Its end includes open transactions. */
  async spanOf(of: TopicPartition): Promise<ChangelogSpan> {
    return await persisting(this.#options.connection, () => this.#spanOf(of));
  }

  async #spanOf(of: TopicPartition): Promise<ChangelogSpan> {
    const { connection, caches } = this.#options;
    const offset = async (which: "first" | "last") =>
      BigInt((await connection.offsets([of], which)).get(positionName(of))!);
    const end = await offset("last");
    if (caches === null) return { topic: "", start: 0n, end, deleteRetentionMs: 0 };
    const [start, { topics }, settings] = await Promise.all([
      offset("first"),
      connection.metadata(),
      settingsOf(connection, of.topic, [DELETE_RETENTION]),
    ]);
    const topicId = topics.find(({ topic }) => topic === of.topic)?.topicId ?? null;
    if (topicId === null && !this.#knowsNoIds) {
      this.#knowsNoIds = true;
      this.#options.log.warn(
        "states are not kept on the disk: these brokers have no ids of topics (Kafka 2.8 has), so a " +
          "topic that is made again could not be told from the one before",
      );
    }
    const deleteRetentionMs = Number(settings.get(DELETE_RETENTION) ?? 0);
    return { topic: topicId ?? "", start, end, deleteRetentionMs };
  }

  /** The positions of a task without a changelog, which it has committed to the group. */
  #inMetadata(task: TaskId, committed: readonly GroupOffset[]): StoredPosition[] | null {
    try {
      return positionsInMetadata(committed);
    } catch (cause) {
      throw unreadablePositions(task, this.#options.groupId, cause);
    }
  }

  /**
   * Makes sure that the group has the positions of the task, or none. Group offsets expire when the
   * group has been empty for a week, and those of a deleted topic are gone at once.
   */
  #requireAgreement(
    task: TaskId,
    positions: readonly StoredPosition[],
    committed: readonly GroupOffset[],
  ): void {
    const { app, groupId } = this.#options;
    const read = readOffsets(app, task, positions);
    for (const { topic, partition, offset } of committed) {
      const stored = read.get(positionName({ topic, partition }))?.offset;
      if (stored === offset) continue;
      throw new TaskLogError(
        `task "${task}" cannot be restored: it has read topic "${topic}", partition ${partition} ` +
          (stored === undefined ? "not at all" : `up to offset ${stored}`) +
          ` by its own record, and up to offset ${offset} by group "${groupId}". Both are committed ` +
          "together, so one was changed or lost. Set the offset of the group back, or " +
          toBeginAgain(app),
      );
    }
  }

  #isLost(task: TaskId, { hasState }: SubTopology, committed: readonly GroupOffset[]): Error {
    const { app, groupId } = this.#options;
    const [{ topic, partition, offset }] = committed;
    const where = hasState
      ? `its changelog "${
        changelogTopic(app, partsOf(task).subtopology)
      }" has nothing of it: was it ` +
        "deleted?"
      : "the group has lost where its steps were: has a tool set its offsets?";
    return new TaskLogError(
      `task "${task}" cannot be restored: group "${groupId}" has read topic "${topic}", partition ` +
        `${partition} up to offset ${offset}, but ${where} Bring it back from a copy, or ` +
        toBeginAgain(app),
    );
  }

  #isDamaged(task: TaskId): Error {
    const { app } = this.#options;
    return new TaskLogError(
      `task "${task}" cannot be restored: its changelog ` +
        `"${changelogTopic(app, partsOf(task).subtopology)}" has keys, but not where its inputs ` +
        `were: were records deleted? Bring it back from a copy, or ${toBeginAgain(app)}`,
    );
  }

  #isForgotten(task: TaskId, { hasState }: SubTopology): Error {
    const { app, groupId } = this.#options;
    const changelog = hasState ? changelogTopic(app, partsOf(task).subtopology) : null;
    return lostOffsets(app, groupId, task, changelog);
  }

  /**
   * Makes sure that a task without any position has never committed one. It would read again what
   * is in the results already.
   */
  async #requireNew(task: TaskId, subtopology: SubTopology): Promise<void> {
    const { app, moved, connection } = this.#options;
    const { sourceTopics, hasShuffle, hasState } = subtopology;
    const isMoved = moved.has(task); // if others have committed since, offsets have not expired
    const shuffle = {
      topic: shuffleTopic(app, subtopology.name),
      partition: partsOf(task).partition,
    };
    let wasRead = false;
    if (hasShuffle && !isMoved) {
      const first = await persist(
        connection,
        PATIENCE_MS,
        () => connection.offsets([shuffle], "first"),
      );
      wasRead = first.get(positionName(shuffle))! > 0; // only what was read is deleted
    }
    if (!wasRead && this.#hasBegun) {
      const isSource = isMoved || sourceTopics.length > 0 ||
        (!hasState && await this.#hasRecords(shuffle));
      wasRead = isSource && !await this.#hasOffsets();
    }
    if (wasRead) throw this.#hasExpired(task);
  }

  #hasExpired(task: TaskId): Error {
    const { app, groupId } = this.#options;
    return new TaskLogError(
      `task "${task}" cannot be restored: group "${groupId}" has no offsets, but its topics show that ` +
        "it has run before. Offsets expire when a group has been empty for " +
        "offsets.retention.minutes, a week by default. Reading everything again would repeat " +
        `results: if that is right, ${toBeginAgain(app)}`,
    );
  }

  /**
   * Whether the group has any offsets. Its first ones come some time after they were committed.
   * Until then, a broker that is asked for all says that there are none, and not to wait.
   */
  async #hasOffsets(): Promise<boolean> {
    const { groupId, signal } = this.#options;
    const deadline = performance.now() + FIRST_OFFSETS_MS;
    this.#waiting++;
    try {
      for (;;) {
        if (await this.#stable.ask((broker) => hasGroupOffsets(broker, groupId))) return true;
        if (performance.now() >= deadline) return false;
        await sleep(PAUSE_MS, signal);
      }
    } finally {
      this.#waiting--;
    }
  }

  async #hasRecords(of: TopicPartition): Promise<boolean> {
    const { app, connection } = this.#options;
    return await persisting(connection, async () => {
      const options = { what: "records of the group", ifLost: toBeginAgain(app) };
      for await (const records of readCommitted(connection, of, options)) {
        if (records.length > 0) return true;
      }
      return false;
    });
  }
}

/**
 * The keys, in parts: those on the disk that have not changed since, then the others. At the end,
 * the disk gets what it does not have.
 */
async function* keysOf(
  { positions, states, cache, end }: Changelog,
): AsyncGenerator<RestoredKeys> {
  if (cache?.offset != null) {
    for await (const { step, keys } of cache.keys()) {
      if (states.size === 0) yield { step, keys };
      else yield { step, keys: keys.filter(({ key }) => !states.has(step, key)) };
    }
  }
  const slice = new TimeSlice();
  for (const part of states.parts()) {
    yield part;
    if (slice.isOver) await slice.renew();
  }
  cache?.follow(states.changes(), end, positions);
}

async function* noKeys(): AsyncGenerator<RestoredKeys> {}
