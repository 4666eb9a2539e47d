/**
 * The log of a group on Kafka.
 *
 * A process has three connections to a broker: for transactions, to restore tasks, and to read
 * shuffle topics. A broker takes its time to answer the latter two.
 *
 * @module
 */
import { FlowDefinitionError } from "../../core/errors.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Log, silentLog } from "../../core/log.ts";
import type { StepId } from "../../core/ids.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type {
  InputConfig,
  InputReader,
  OutputConfig,
  OutputWriter,
  Place,
  Positions,
} from "../../graph/contracts.ts";
import {
  FencedError,
  type GroupEpoch,
  type GroupLog,
  LateCommitError,
  type RecordLimit,
  type RestoredKeys,
  type RestoredTask,
  type RestoreProgress,
  type ShuffleReader,
  type Standby,
  type TaskEpoch,
  type WaitingForCommit,
} from "../../group/log.ts";
import type { Guarantee } from "../../group/log_module.ts";
import { changelogTopic, type GroupTopology, shuffleTopic } from "../../group/topology.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import type { Brokers } from "../kafka/properties/options.ts";
import { positionName } from "../kafka/wire/topic_partition.ts";
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import type { CommittedOffset } from "../kafka/wire/txn_offset_commit.ts";
import { AddedPartitions } from "./added_partitions.ts";
import { KafkaAppStore } from "./app_store.ts";
import { Confirmation } from "./confirmation.ts";
import { addBegun, type Control } from "./control_topic.ts";
import { beginApp, confirmEntered } from "./enter_app.ts";
import { ensureInternalTopics, internalTopics, requireSameTopics } from "./internal_topics.ts";
import { kafkaPlaceOf } from "./kafka_place.ts";
import { inTime, lateCommit, type WatchedCommit } from "./late_commit.ts";
import { PendingOutputs } from "./pending_outputs.ts";
import { type PendingBatch, PendingRecords } from "./pending_records.ts";
import { encodePositions, isShufflePosition, type ReadOffset, readOffsets } from "./positions.ts";
import { OPENING_MS } from "./persisting.ts";
import { Purge } from "./purge.ts";
import { RecordLimits } from "./record_limits.ts";
import { Restorer } from "./restore.ts";
import { StateCaches } from "./state_caches.ts";
import { ChangelogTails } from "./changelog_tails.ts";
import { Standbys } from "./standbys.ts";
import { ShuffleFetcher } from "./shuffle_fetcher.ts";
import { positionsRecord, stateRecords } from "./state_records.ts";
import { explainCommit, explainKeys, explainRestore, isMemberLost } from "./task_log_error.ts";
import { openTaskInput } from "./task_input.ts";
import { openTaskOutput } from "./task_output.ts";
import { TaskProducer } from "./task_producer.ts";
import { Buffer } from "node:buffer";

/** How long a broker keeps a transaction open, in milliseconds; less than any session timeout. */
const TRANSACTION_MS = 10_000;

/** What the log of a process is. */
export interface KafkaTaskLogOptions {
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
  readonly log?: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** The group's name, with which its topics begin. */
  readonly app: string;
  /** The consumer group that has the positions, as `groupIdOf` says. */
  readonly groupId: string;
  /** The id of the process's member, kept on disk. No other process that runs has it. */
  readonly memberId: string;
  readonly topology: GroupTopology;
  /** The protocol of the group, such as `streams`; all machines must have the same. */
  readonly protocol: string;
  /**
   * The folder that has the states of tasks between runs, so that a restart reads the end of their
   * changelogs only. No two machines share one. @default {null}
   */
  readonly cacheFolder?: string | null;
  /**
   * What is true of outputs. State, positions and what tasks send to one another are exact in any
   * case. @default {"exactly-once"}
   */
  readonly guarantee?: Guarantee;
  /** How long a transaction may be open, in milliseconds. @default {10000} */
  readonly transactionTimeoutMs?: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /**
   * Whether the opening waits for brokers without a limit. If not, that fails after 10 s.
   * @default {false}
   */
  readonly waitsForBrokers?: boolean;
}

/** The connections of a log. */
interface Connections {
  readonly commits: KafkaConnection;
  readonly restores: KafkaConnection;
  readonly shuffles: KafkaConnection;
}

/** What an epoch is to the brokers. */
interface Written {
  readonly batches: readonly (readonly PendingBatch[])[];
  readonly offsets: readonly CommittedOffset[];
  /** Up to where shuffle topics have been read. */
  readonly read: readonly ReadOffset[];
  /** Tasks that commit for the first time, as far as is known. */
  readonly begun: readonly TaskId[];
}

/** The log of a group, as one process sees it. */
export class KafkaTaskLog implements GroupLog {
  readonly #options: KafkaTaskLogOptions;
  readonly #connections: Connections;
  readonly #producer: TaskProducer;
  readonly #outputs: PendingOutputs;
  readonly #restorer: Restorer;
  readonly #caches: StateCaches | null;
  readonly #tails: ChangelogTails;
  readonly #standbys: Standbys | null;
  readonly #fetcher: ShuffleFetcher;
  readonly #purge: Purge;
  readonly #stateful: ReadonlySet<string>;
  readonly #limits: RecordLimits;
  readonly #ended: AbortController;
  readonly #confirmation: Confirmation<Control>;
  readonly #added: AddedPartitions;
  readonly #moved: Control["moved"];
  readonly #dropped: ReadonlySet<StepId>;
  readonly #counting = new Map<string, Promise<number>>(); // all tasks ask when they begin
  #hasBegun: boolean; // whether anything has been committed in the group
  readonly #begun: Set<TaskId>; // tasks that are known to have committed

  private constructor(
    options: KafkaTaskLogOptions,
    parts: {
      readonly connections: Connections;
      readonly producer: TaskProducer;
      readonly control: Control;
      readonly confirmation: Confirmation<Control>;
      readonly added: AddedPartitions;
      readonly topicIds: ReadonlyMap<string, string | null>;
      readonly limits: RecordLimits;
      readonly ended: AbortController;
    },
  ) {
    const { app, groupId, topology, log = silentLog, clock = systemClock } = options;
    const { connections, producer, control, topicIds, ended } = parts;
    const { hasBegun, begunTasks, moved, group } = control;
    const { dropped } = group!; // it has been confirmed
    const { signal } = ended;
    this.#options = options;
    this.#connections = connections;
    this.#producer = producer;
    this.#ended = ended;
    this.#hasBegun = hasBegun;
    this.#begun = new Set(begunTasks);
    this.#confirmation = parts.confirmation;
    this.#added = parts.added;
    this.#moved = moved;
    this.#dropped = new Set(dropped);
    this.#outputs = new PendingOutputs({ transaction: producer.transaction, log, signal });
    const connection = connections.restores;
    const { cacheFolder: folder = null } = options;
    this.#caches = folder === null ? null : new StateCaches({ folder, app, log, clock });
    this.#restorer = new Restorer({
      app,
      groupId,
      topology,
      hasBegun,
      moved: new Set(moved.keys()),
      connection,
      signal,
      log,
      caches: this.#caches,
    });
    const stateful = topology.subtopologies.filter(({ hasState }) => hasState);
    this.#stateful = new Set(stateful.map(({ name }) => name));
    this.#tails = new ChangelogTails({
      app,
      // A connection of its own, as a broker takes its time to answer.
      connect: (topics) =>
        new KafkaConnection(options.brokers, topics, options.settings, { log, signal }),
      topics: stateful.map(({ name }) => changelogTopic(app, name)),
      spanOf: (of) => this.#restorer.spanOf(of),
    });
    this.#standbys = this.#caches === null ? null : new Standbys({
      app,
      shards: topology.shards,
      reads: this.#tails,
      caches: this.#caches,
      clock,
      log,
    });
    this.#fetcher = new ShuffleFetcher(app, connections.shuffles, topicIds, signal);
    this.#purge = new Purge(connection, { log, clock });
    this.#limits = parts.limits;
  }

  /**
   * Creates or checks the internal topics, compares the flow with the group, and ends what an
   * earlier process of the same member has left open.
   *
   * @throws {TaskLogError} If topics or the group differ. The message names what, and the cure.
   * @throws {Error} If brokers do not answer in time, or refuse. The message names them.
   */
  static async open(options: KafkaTaskLogOptions): Promise<KafkaTaskLog> {
    const { app, topology, log = silentLog, clock = systemClock, memberId, protocol } = options;
    requireOneReader(topology);
    const wanted = internalTopics(app, topology);
    const openingMs = options.waitsForBrokers === true ? Infinity : OPENING_MS;
    const ended = new AbortController();
    const signal = AbortSignal.any([options.signal, ended.signal]);
    const connect = () =>
      new KafkaConnection(options.brokers, wanted.map(({ topic }) => topic), options.settings, {
        log,
        signal,
        isolation: "read_uncommitted", // the end of a partition includes open transactions
      });
    const connections = { commits: connect(), restores: connect(), shuffles: connect() };
    const { commits, restores } = connections;
    try {
      const limits = await ensureInternalTopics(restores, wanted, clock, openingMs);
      const { topics } = await restores.open(() => restores.metadata(), {
        limitMs: openingMs,
        missingMs: OPENING_MS,
      });
      const topicIds = new Map(topics.map(({ topic, topicId }) => [topic, topicId]));
      const entered = { ...topology, protocol, groupId: options.groupId };
      const store = new KafkaAppStore({ app, connection: restores, log, signal, openingMs });
      await beginApp(entered, store);
      let isMember = false; // the machine joins meanwhile, and is one before a task begins
      const confirmation = new Confirmation(() =>
        confirmEntered(entered, { app, store, isMember })
      );
      const control = await confirmation.ask();
      isMember = true;
      const added = new AddedPartitions({ app, connection: restores, log, openingMs });
      await added.learn(topology.subtopologies.flatMap(({ sourceTopics }) => sourceTopics));
      const producer = await TaskProducer.open({
        transactionalId: `${app}-${memberId}`,
        timeoutMs: options.transactionTimeoutMs ?? TRANSACTION_MS,
        connection: commits,
        confirm: () => requireSameTopics(app, commits, topicIds),
        log,
        openingMs,
      });
      return new KafkaTaskLog(options, {
        connections,
        producer,
        control,
        confirmation,
        added,
        topicIds,
        limits: new RecordLimits(restores, limits),
        ended,
      });
    } catch (error) {
      ended.abort();
      await Promise.all(Object.values(connections).map((each) => each.close()));
      throw error;
    }
  }

  async openInput(
    config: InputConfig<unknown>,
    partition: number,
    at: Place,
    resume: Positions,
  ): Promise<InputReader<unknown>> {
    const topics = kafkaPlaceOf(config, at.stepId)?.topics ?? [];
    const added = await this.#added.among(topics, partition);
    return await openTaskInput(config, partition, at, resume, { app: this.#options.app, added });
  }

  async openOutput(
    config: OutputConfig<unknown>,
    at: Place,
    resume: Positions,
    waiting: WaitingForCommit,
  ): Promise<OutputWriter<unknown>> {
    const isExact = (this.#options.guarantee ?? "exactly-once") === "exactly-once";
    const transactions = isExact ? { outputs: this.#outputs, waiting } : null;
    return await openTaskOutput(config, at, resume, transactions);
  }

  async restore(
    task: TaskId,
    onProgress?: (progress: RestoreProgress) => void,
  ): Promise<RestoredTask> {
    this.#standbys?.closeOf(task); // its file is free once it is written
    const signal = this.#restorer.begin(task); // now: it may be released while we wait
    const { positions, keys } = await explainRestore(async () => {
      // Only a member has tasks to restore, so nobody changes the app from here on.
      const { begunTasks } = await this.#confirmation.ask();
      const hasCommitted = begunTasks.has(task);
      if (hasCommitted) this.#begun.add(task);
      return await this.#restorer.restore(task, { hasCommitted, signal }, onProgress);
    });
    const own = positions.length > 0 ? positions : this.#moved.get(task) ?? [];
    return {
      positions: own.filter(({ step }) => !this.#dropped.has(step)),
      keys: () => explainKeys(without(this.#dropped, keys())),
    };
  }

  get stored(): ReadonlyMap<TaskId, number> {
    return this.#caches?.stored ?? new Map();
  }

  standby(task: TaskId): Standby | null {
    if (!this.#stateful.has(partsOf(task).subtopology)) return null;
    return this.#standbys?.add(task) ?? null;
  }

  partitionsOf(topic: string): Promise<number> {
    let count = this.#counting.get(topic);
    if (count === undefined) {
      count = this.#countPartitions(topic).finally(() => this.#counting.delete(topic));
      this.#counting.set(topic, count);
    }
    return count;
  }

  async #countPartitions(topic: string): Promise<number> {
    const { brokers, settings, log = silentLog } = this.#options;
    const connection = new KafkaConnection(brokers, [topic], settings, {
      log,
      signal: this.#ended.signal,
    });
    try {
      const { topics } = await connection.open(() => connection.metadata());
      return topics.find((each) => each.topic === topic)!.partitions.length;
    } finally {
      await connection.close();
    }
  }

  recordLimit(subtopology: string): RecordLimit {
    return this.#limits.ofValue(shuffleTopic(this.#options.app, subtopology));
  }

  readShuffle(task: TaskId, from: bigint | null): ShuffleReader {
    const { subtopology, partition } = partsOf(task);
    const topic = shuffleTopic(this.#options.app, subtopology);
    return this.#fetcher.read({ topic, partition }, from);
  }

  async commit(epoch: GroupEpoch): Promise<void> {
    const { groupId } = this.#options;
    let ends: ReadonlyMap<string, number> = new Map();
    let written: Written;
    let watched: WatchedCommit | null = null;
    try {
      const { batches, offsets } = written = await this.#written(epoch);
      const { identity: member } = epoch;
      watched = this.#watched(written);
      const commit = this.#outputs.commit(async () => {
        ends = await this.#producer.commit({ batches, groupId, offsets, member });
      });
      await inTime(commit, watched);
    } catch (thrown) {
      const error = this.#explained(thrown, watched);
      this.#caches?.abandon(); // to read what is not there yet takes less time than to write it
      await this.#producer.close(); // others wait for what is open
      throw error;
    }
    this.#hasBegun ||= written.offsets.length > 0;
    for (const task of written.begun) this.#begun.add(task);
    this.#purge.committed(written.read);
    await this.#keep(epoch.tasks, ends);
  }

  #watched({ batches }: Written): WatchedCommit {
    const { clock = systemClock, transactionTimeoutMs: timeoutMs = TRANSACTION_MS } = this.#options;
    const bytes = batches.flat().reduce((sum, batch) => sum + batch.bytes, this.#outputs.bytes);
    return {
      openMs: () => this.#producer.transaction.openMs,
      timeoutMs,
      waitingFor: () => this.#connections.commits.waitingFor,
      bytes,
      clock,
    };
  }

  /** What an error of a commit means: the process may have taken too long itself. */
  #explained(thrown: unknown, watched: WatchedCommit | null): unknown {
    const error = explainCommit(thrown, this.#options.app);
    const isLate = watched !== null && watched.openMs() > watched.timeoutMs;
    if (!isLate || !(error instanceof FencedError) || isMemberLost(thrown)) return error;
    return error instanceof LateCommitError ? error : lateCommit(watched, error);
  }

  /** What an epoch writes to internal topics, and commits to the group. Nothing is sent yet. */
  async #written({ tasks, shuffle }: GroupEpoch): Promise<Written> {
    const { app } = this.#options;
    const pending = new PendingRecords();
    const now = Date.now();
    for (const { subtopology, shard, bytes } of shuffle) {
      const of = { topic: shuffleTopic(app, subtopology), partition: shard };
      pending.add(
        of,
        { key: null, value: bytes, headers: [], timestamp: now },
        this.#limits.packing(of.topic, "an exchange"),
      );
    }
    const offsets: CommittedOffset[] = [];
    const read: ReadOffset[] = [];
    const begun: TaskId[] = [];
    for (const each of tasks) {
      await this.#addState(each, pending, now);
      const own = this.#offsetsOf(each);
      if (own.length > 0 && !this.#begun.has(each.task)) begun.push(each.task);
      offsets.push(...own);
      const sent = each.positions.filter(isShufflePosition);
      read.push(...readOffsets(app, each.task, sent).values());
    }
    const isFirst = offsets.length > 0 && (!this.#hasBegun || begun.length > 0);
    if (isFirst) addBegun(app, begun, pending);
    return { batches: pending.take(), offsets, read, begun };
  }

  /** The disk gets what has been committed: only then, so that it is never ahead of the log. */
  async #keep(tasks: readonly TaskEpoch[], ends: ReadonlyMap<string, number>): Promise<void> {
    const caches = this.#caches;
    if (caches === null) return;
    for (const { task, state, positions } of tasks) {
      const { subtopology, partition } = partsOf(task);
      if (!this.#stateful.has(subtopology)) continue;
      const topic = changelogTopic(this.#options.app, subtopology);
      const end = ends.get(positionName({ topic, partition })) ?? null;
      await caches.committed(task, state, end, positions);
    }
  }

  async #addState(
    { task, positions, state }: TaskEpoch,
    pending: PendingRecords,
    now: number,
  ): Promise<void> {
    const { subtopology, partition } = partsOf(task);
    if (!this.#stateful.has(subtopology)) {
      if (state.length > 0) throw new TypeError(`task "${task}" has state, and no changelog`);
      return;
    }
    const topic = changelogTopic(this.#options.app, subtopology);
    const packing = this.#limits.packing(topic, "the state of a task");
    const of = { topic, partition };
    const large: WireRecord[] = [];
    const add = (record: WireRecord) => {
      if (this.#limits.fits(topic, record)) pending.add(of, record, packing);
      else large.push(record);
    };
    for (const record of stateRecords(state, now)) add(record);
    add(positionsRecord(positions, now));
    for (const record of large) {
      await this.#limits.require({ task, topic, record });
      pending.add(of, record, packing);
    }
  }

  /** The offsets that the group gets. Without a changelog, the first has all positions. */
  #offsetsOf({ task, positions }: TaskEpoch): CommittedOffset[] {
    const offsets = [...readOffsets(this.#options.app, task, positions).values()];
    offsets.sort((a, b) => a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0);
    if (this.#stateful.has(partsOf(task).subtopology)) return offsets;
    const metadata = Buffer.from(encodePositions(positions)).toString("base64");
    return offsets.map((each, index) => index === 0 ? { ...each, metadata } : each);
  }

  release(task: TaskId): void {
    this.#restorer.release(task); // its readers and writers are closed by themselves
  }

  waitingFor(): string | null {
    const { commits, restores, shuffles } = this.#connections;
    if (this.#restorer.isWaiting) return "transaction";
    return commits.waitingFor ?? restores.waitingFor ?? shuffles.waitingFor;
  }

  async close(): Promise<void> {
    await this.#outputs.close();
    await this.#producer.close();
    const standbys = this.#standbys?.close(); // before their reads fail
    this.#ended.abort();
    await standbys;
    await this.#tails.close();
    await Promise.all(Object.values(this.#connections).map((each) => each.close()));
    await this.#fetcher.close();
    await this.#purge.close();
    await this.#caches?.close();
  }
}

/** The keys of all steps but some. */
async function* without(
  dropped: ReadonlySet<StepId>,
  keys: AsyncIterable<RestoredKeys>,
): AsyncGenerator<RestoredKeys> {
  for await (const part of keys) if (!dropped.has(part.step)) yield part;
}

/**
 * Makes sure that the group has one position of each partition.
 *
 * @throws {FlowDefinitionError} If two parts of the flow read one topic.
 */
export function requireOneReader({ subtopologies }: GroupTopology): void {
  const readers = new Map<string, string>();
  for (const { name, sourceTopics } of subtopologies) {
    for (const topic of new Set(sourceTopics)) {
      const other = readers.get(topic);
      if (other !== undefined) {
        throw new FlowDefinitionError(
          `"${other}" and "${name}" both read topic "${topic}", but a group has one position of each ` +
            "partition: use one input, and branch after it",
        );
      }
      readers.set(topic, name);
    }
  }
}
