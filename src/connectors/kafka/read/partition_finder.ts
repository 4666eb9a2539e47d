/**
 * Finds the partitions to read. It notices partitions that are added to a topic, and finds where
 * each begins. It also notices topics that have been deleted, or created again.
 *
 * @module
 */
import type { Place } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { errorKind, isFatal } from "../client/errors.ts";
import { DELETED_MS } from "../client/deleted_topic.ts";
import { otherId, type TopicWatch } from "../client/topic_watch.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName } from "../wire/topic_partition.ts";
import { locate } from "./locate.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { PartitionShare } from "./partition_share.ts";
import { allowReplaced, replacedMeanwhile, type ReplacedTopic } from "./replaced_topics.ts";
import { type Origin, startingCursors } from "./start.ts";
import { cannotRead, requireHope, Unrecoverable } from "./unrecoverable.ts";
import { partitionsOf, type PendingPartition, type WorkerPartitions } from "./worker_partitions.ts";

/** What the parts of a reader share. */
export interface ReaderParts {
  readonly connection: KafkaConnection;
  readonly watch: TopicWatch;
  readonly partitions: WorkerPartitions;
  readonly share: PartitionShare;
}

/** What a look at all topics could not find out. */
export interface Uncertain {
  /** Errors of topics, by their names. */
  readonly topics: ReadonlyMap<string, Error>;
  /** Partitions whose topic may be another one now, with the error that hides the answer. */
  readonly cursors: ReadonlyMap<PartitionCursor, unknown>;
}

/** Finds the partitions of one worker. */
export class PartitionFinder {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #watch: TopicWatch;
  readonly #partitions: WorkerPartitions;
  readonly #share: PartitionShare;
  readonly #at: Place;
  readonly #forget: (cursor: PartitionCursor) => void;
  readonly #unknownSince = new Map<string, number>(); // when brokers began not to know a topic
  readonly #replaced = new Set<string>(); // read from where `auto.offset.reset` tells

  /**
   * @param forget Called with each partition of a topic that has been created again.
   */
  constructor(
    settings: KafkaInputSettings,
    { connection, watch, partitions, share }: ReaderParts,
    at: Place,
    forget: (cursor: PartitionCursor) => void,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#watch = watch;
    this.#partitions = partitions;
    this.#share = share;
    this.#at = at;
    this.#forget = forget;
  }

  /** Whether brokers do not know a topic, by the latest answers. */
  get missesTopics(): boolean {
    return this.#unknownSince.size > 0;
  }

  /** A broker does not know a topic. */
  isUnknown(topic: string): void {
    if (!this.#unknownSince.has(topic)) this.#unknownSince.set(topic, performance.now());
  }

  /** A topic has been fetched from. */
  isKnown(topic: string): void {
    this.#unknownSince.delete(topic);
  }

  /**
   * Looks at all topics. A topic that has been created again is forgotten, and found as a new one.
   *
   * @throws {Unrecoverable} If a topic has been deleted, or we may not read it.
   */
  async lookAtTopics(): Promise<Uncertain> {
    const topics = await this.#watch.lookAtEach();
    for (const [topic, problem] of topics) this.#requireTopic(topic, problem);
    const cursors = this.#partitions.cursors();
    const found = await replacedMeanwhile(cursors, this.#watch, this.#connection);
    for (const topic of found.replaced) this.#readAgain(topic);
    return { topics, cursors: found.unsure };
  }

  /** Finds the partitions of a topic that may have new ones. */
  async findIn(topic: string): Promise<void> {
    if (!this.#settings.tail && !this.#replaced.has(topic)) return;
    const leaders = await this.#connection.leaders(topic);
    const isReplaced = this.#replaced.delete(topic);
    for (const partition of partitionsOf(leaders, this.#share)) {
      const each = { topic, partition };
      if (this.#partitions.has(each)) continue;
      if (!isReplaced) this.#at.log.info("new partition", each);
      // A partition that was added is read from its first record. One with a stored position is not
      // new: the broker that was asked at the start did not know it yet.
      this.#partitions.found({ ...each, start: "beginning", isReplaced });
    }
    this.#partitions.foundAll(topic);
  }

  /**
   * Finds where pending partitions begin, except those of the topics in `problems`. Returns an
   * error of one of them, if any.
   */
  async locatePending(problems: ReadonlyMap<string, unknown>): Promise<unknown> {
    let trouble: unknown;
    const pending = [...this.#partitions.pending].filter(({ topic }) => !problems.has(topic));
    const byName = new Map(pending.map((each) => [positionName(each), each]));
    const originOf = (name: string) => this.#originOf(byName.get(name)!);
    for (const [start, asked] of Map.groupBy(pending, ({ start }) => start)) {
      const { offsets, failed } = await locate(asked, start, this.#connection);
      for (const error of failed.values()) {
        requireHope(error, this.#settings.topics);
        trouble = error;
      }
      const cursors = startingCursors(this.#settings, offsets, originOf, this.#at.log);
      for (const cursor of cursors) this.#partitions.begin(cursor);
    }
    return trouble;
  }

  #requireTopic(topic: string, problem: Error): void {
    if (errorKind(problem) === "unknownTopic") {
      this.isUnknown(topic);
      if (performance.now() - this.#unknownSince.get(topic)! < DELETED_MS) return;
      throw new Unrecoverable(`topic "${topic}" has been deleted while it was being read`, {
        cause: problem,
      });
    }
    if (isFatal(problem)) throw cannotRead([topic], problem);
  }

  /** Reads a topic as a new one. What has been fetched of the old one is still handed out. */
  #readAgain(replaced: ReplacedTopic): void {
    const { topic } = replaced;
    allowReplaced(replaced, this.#settings, this.#share, this.#at.log);
    for (const cursor of this.#partitions.cursorsOf(topic)) this.#forget(cursor);
    this.#partitions.forget(topic);
    this.#unknownSince.delete(topic);
    this.#replaced.add(topic);
  }

  /** The topic of a partition, and where it was read to. */
  #originOf({ topic, stored, isReplaced }: PendingPartition): Origin {
    const topicId = this.#watch.idOf(topic);
    const evidence = otherId(stored?.topicId ?? null, topicId);
    if (evidence !== null) {
      allowReplaced({ topic, evidence }, this.#settings, this.#share, this.#at.log);
    }
    return { topicId, stored, isReplaced: isReplaced || evidence !== null };
  }
}
