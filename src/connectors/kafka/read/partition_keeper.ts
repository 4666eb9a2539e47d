/**
 * Looks after a worker's partitions while they are read. It asks the brokers regularly, and at once
 * if there is trouble. It has each partition fetched from the broker that leads it.
 *
 * `partition_finder.ts` finds the partitions. `partition_troubles.ts` decides what to do about
 * those that could not be fetched. Trouble with one partition does not stop the others.
 * @module
 */
import type { Place } from "../../../graph/contracts.ts";
import type { Backoff } from "../client/backoff.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { WithoutLeaderError } from "../client/partition_offsets.ts";
import { errorKind } from "../client/errors.ts";
import type { TopicWatch } from "../client/topic_watch.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { SILENT_MS } from "./broker_rounds.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import { PartitionFinder, type ReaderParts, type Uncertain } from "./partition_finder.ts";
import { PartitionTroubles } from "./partition_troubles.ts";
import { requireHope } from "./unrecoverable.ts";
import type { WorkerPartitions } from "./worker_partitions.ts";

/** What the keeper tells its fetcher. */
export interface KeeperHost {
  readonly isClosed: boolean;
  /** Fetches a partition from the broker that leads it, and from no other. */
  assign(cursor: PartitionCursor, leader: number): void;
  /** Stops fetching a partition. */
  release(cursor: PartitionCursor): void;
  /** Continues at another offset of a partition, which is stored as its position. */
  jump(cursor: PartitionCursor, to: number): void;
  /** What `idle` depends on may have changed. */
  tellIdle(): void;
}

/** Nothing is uncertain. */
const CERTAIN: Uncertain = { topics: new Map(), cursors: new Map() };

/** Looks at everything when it is due, and at once if there is trouble. */
export class PartitionKeeper {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #watch: TopicWatch;
  readonly #partitions: WorkerPartitions;
  readonly #host: KeeperHost;
  readonly #backoff: Backoff;
  readonly #finder: PartitionFinder;
  readonly #troubles: PartitionTroubles;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;
  #onLook: (() => void)[] = []; // called at the end of the next look
  #isDue = true;
  #lookedAt = performance.now(); // when the last whole look began
  #inSight = true;

  /** Looks at nothing yet. */
  constructor(settings: KafkaInputSettings, parts: ReaderParts, at: Place, host: KeeperHost) {
    const { connection, watch, partitions } = parts;
    this.#settings = settings;
    this.#connection = connection;
    this.#watch = watch;
    this.#partitions = partitions;
    this.#host = host;
    this.#backoff = connection.backoff();
    this.#troubles = new PartitionTroubles(settings, {
      connection,
      log: at.log,
      jump: (cursor, to) => host.jump(cursor, to),
    });
    this.#finder = new PartitionFinder(settings, parts, at, (cursor) => {
      this.#troubles.delete(cursor);
      host.release(cursor);
    });
  }

  /** Begins. `onFailure` is called with the error that ends the run. */
  start(onFailure: (error: unknown) => void): void {
    this.#running = this.#run().catch(onFailure).finally(() => {
      this.#stop.abort();
      for (const resolve of this.#onLook.splice(0)) resolve();
    });
  }

  /** Whether brokers answered in time at the last look. */
  get inSight(): boolean {
    return this.#inSight;
  }

  /** Whether there is a partition that cannot be read now. */
  get isTroubled(): boolean {
    return this.#troubles.size > 0 || this.#partitions.pendingCount > 0;
  }

  /** A partition could not be fetched. */
  hand(cursor: PartitionCursor, error: unknown): void {
    this.#troubles.add(cursor, error);
    if (errorKind(error) === "unknownTopic") this.#finder.isUnknown(cursor.topic);
    this.doubt();
  }

  /** A partition has been fetched. */
  isFine(cursor: PartitionCursor): void {
    if (this.#troubles.size > 0) this.#troubles.delete(cursor);
    if (this.#finder.missesTopics) this.#finder.isKnown(cursor.topic);
  }

  /** Something may have changed, so it looks again at once. */
  doubt(): void {
    this.#watch.doubt();
    this.#isDue = true;
    this.#wake?.();
  }

  /**
   * Resolves at the end of a new look. Until then, a topic may be another one of the same name. If
   * its broker does not know topics by their ids, a fetch from it would skip records.
   */
  looked(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => this.#onLook.push(resolve));
  }

  /** The same if the last look is too old. For brokers that know topics by their names only. */
  fresh(): Promise<void> {
    const age = performance.now() - this.#lookedAt;
    if (age < this.#settings.input.metadataMaxAgeMs) return Promise.resolve();
    this.doubt();
    return this.looked();
  }

  /** Ends, and waits until it has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
  }

  get #isOver(): boolean {
    return this.#host.isClosed || this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      let trouble: unknown;
      this.#isDue = false;
      const waiting = this.#onLook.splice(0);
      try {
        trouble = await this.#inTime(this.#look());
        for (const resolve of waiting) resolve();
      } catch (error) {
        this.#onLook.push(...waiting);
        if (this.#isOver) break;
        requireHope(error, this.#settings.topics);
        trouble = error;
      }
      if (this.#isOver) break;
      if (trouble === undefined) {
        this.#backoff.over();
        this.#connection.succeeded(); // the start may have left partitions waiting
        await this.#due();
        continue;
      }
      this.#watch.doubt(); // the problem may be over by then
      await this.#backoff.pause(trouble, Infinity, this.#stop.signal);
    }
    this.#backoff.giveUp();
  }

  async #due(): Promise<void> {
    if (this.#isDue || this.#isOver) return;
    const { metadataMaxAgeMs } = this.#settings.input;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, metadataMaxAgeMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  /** Resolves with the look. While it takes long, nobody knows which partitions there are. */
  async #inTime<R>(look: Promise<R>): Promise<R> {
    const timer = setTimeout(() => {
      this.#inSight = false;
      this.#host.tellIdle();
    }, this.#settings.input.fetchWaitMs + SILENT_MS);
    try {
      const trouble = await look;
      this.#inSight = true;
      this.#host.tellIdle();
      return trouble;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Looks after all partitions. Returns a remaining error, so that it looks again soon. */
  async #look(): Promise<unknown> {
    const unsure = this.#watch.isDue ? await this.#lookAtTopics() : CERTAIN;
    const topics = this.#settings.topics.filter((topic) => !unsure.topics.has(topic));
    for (const topic of topics) await this.#finder.findIn(topic);
    const pending = await this.#finder.locatePending(unsure.topics);
    this.#host.tellIdle();
    const troubles = await this.#troubles.tryAll(unsure.topics);
    let unassigned: unknown;
    for (const topic of topics) {
      const leaders = await this.#connection.leaders(topic);
      unassigned = this.#assign(topic, leaders, unsure.cursors) ?? unassigned;
    }
    const [unknown] = [...unsure.topics.values(), ...unsure.cursors.values()];
    return unassigned ?? troubles ?? pending ?? unknown;
  }

  async #lookAtTopics(): Promise<Uncertain> {
    const begun = performance.now();
    const unsure = await this.#finder.lookAtTopics();
    // A fetch from a topic that may be another one could skip records.
    for (const cursor of this.#partitions.cursors()) {
      if (unsure.topics.has(cursor.topic) || unsure.cursors.has(cursor)) this.#host.release(cursor);
    }
    this.#lookedAt = begun; // what has been fetched since may not have been compared
    return unsure;
  }

  /** Has each partition of a topic fetched from its leader. Returns a remaining error. */
  #assign(
    topic: string,
    leaders: ReadonlyMap<number, number>,
    unsure: Uncertain["cursors"],
  ): unknown {
    let trouble: unknown;
    for (const cursor of this.#partitions.cursorsOf(topic)) {
      if (cursor.state === "ended" || unsure.has(cursor)) continue;
      if (this.#troubles.holdsBack(cursor)) continue;
      const leader = leaders.get(cursor.partition) ?? -1;
      if (leader >= 0) this.#host.assign(cursor, leader);
      else {
        this.#host.release(cursor);
        trouble ??= new WithoutLeaderError(cursor);
      }
    }
    return trouble;
  }
}
