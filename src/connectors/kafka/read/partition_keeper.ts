/**
 * Looks after a worker's partitions while they are read: who leads them, which have been added, what of
 * a topic that has been deleted or created again, and what to do where a position is not there any more.
 *
 * Each partition's trouble is its own: the others are read on.
 *
 * @module
 */
import type { Place } from "../../../graph/contracts.ts";
import type { Backoff } from "../client/backoff.ts";
import { SILENT_MS } from "./broker_rounds.ts";
import { errorKind, isFatal, messageOfKafka } from "../client/errors.ts";
import { type KafkaConnection, WithoutLeaderError } from "../client/connection.ts";
import type { KafkaPosition } from "./position.ts";
import {
  allowReplaced,
  positionsIn,
  replacedMeanwhile,
  type ReplacedTopic,
} from "./replaced_topics.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import {
  locate,
  type Origin,
  partitionsOf,
  type PartitionState,
  type PendingPartition,
  startingStates,
} from "./start.ts";
import { positionName } from "../wire/topic_partition.ts";
import { DELETED_MS, otherId, TopicReplacedError, type TopicWatch } from "../client/topic_watch.ts";

/** Ends the run: going on would skip records. */
export class Unrecoverable extends Error {}

/** What the keeper tells the fetcher that it belongs to. */
export interface KeeperHost {
  readonly isClosed: boolean;
  /** Fetches a partition from the broker that leads it, and from no other. */
  assign(state: PartitionState, leader: number): void;
  /** Fetches a partition from nowhere. */
  release(state: PartitionState): void;
  /** A partition can be read now that could not be, or is new. */
  found(state: PartitionState): void;
  /** A partition is not to be read any more. */
  gone(state: PartitionState): void;
  /** Goes on at another offset of a partition, which is stored as its position. */
  move(state: PartitionState, to: number): void;
  /** What is known has changed. */
  tellIdle(): void;
}

/** What a keeper looks after. */
export interface Kept {
  readonly connection: KafkaConnection;
  readonly watch: TopicWatch;
  /** The partitions that are read. */
  readonly states: PartitionState[];
  /** Those of which nobody knows yet where they begin, by the names of their positions. */
  readonly pending: Map<string, PendingPartition>;
  /** Stored positions that this worker keeps without reading on from them, by their names. */
  readonly unread: Map<string, KafkaPosition>;
}

/** A partition that could not be fetched. */
interface Trouble {
  readonly error: unknown;
  /** Whether something has been done about it since. */
  isTried: boolean;
}

/** Looks at everything when it is due, and at once when there is trouble. */
export class PartitionKeeper {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #watch: TopicWatch;
  readonly #states: PartitionState[];
  readonly #pending: Map<string, PendingPartition>;
  readonly #unread: Map<string, KafkaPosition>;
  readonly #at: Place;
  readonly #host: KeeperHost;
  readonly #backoff: Backoff;
  readonly #troubles = new Map<PartitionState, Trouble>();
  readonly #unknownSince = new Map<string, number>(); // when brokers began not to know a topic
  readonly #replaced = new Set<string>(); // to be read from where `auto.offset.reset` says
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;
  #onLook: (() => void)[] = []; // who waits for the end of the next look
  #isDue = true;
  #lookedAt = performance.now();
  #inSight = true;

  /** Looks at nothing yet. */
  constructor(
    settings: KafkaInputSettings,
    { connection, watch, states, pending, unread }: Kept,
    at: Place,
    host: KeeperHost,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#watch = watch;
    this.#states = states;
    this.#pending = pending;
    this.#unread = unread;
    this.#at = at;
    this.#host = host;
    this.#backoff = connection.backoff();
  }

  /** Begins. `onFailure` gets what ends the run. */
  start(onFailure: (error: unknown) => void): void {
    this.#running = this.#run().catch(onFailure).finally(() => {
      this.#stop.abort();
      for (const resolve of this.#onLook.splice(0)) resolve();
    });
  }

  /** Whether brokers answered in time when they were asked last. */
  get inSight(): boolean {
    return this.#inSight;
  }

  /** Whether some partition cannot be read now. */
  get isTroubled(): boolean {
    return this.#troubles.size > 0 || this.#pending.size > 0;
  }

  /** A partition could not be fetched. */
  hand(state: PartitionState, error: unknown): void {
    this.#troubles.set(state, { error, isTried: false });
    const { topic } = state;
    if (errorKind(error) === "unknownTopic" && !this.#unknownSince.has(topic)) {
      this.#unknownSince.set(topic, performance.now());
    }
    this.doubt();
  }

  /** A partition has been fetched. */
  isFine(state: PartitionState): void {
    if (this.#troubles.size === 0 && this.#unknownSince.size === 0) return;
    this.#troubles.delete(state);
    this.#unknownSince.delete(state.topic);
  }

  /** Something has happened after which nothing may be as it was. */
  doubt(): void {
    this.#watch.doubt();
    this.#isDue = true;
    this.#wake?.();
  }

  /**
   * Resolves when everything has been looked at anew. Until then a topic may be another one, of which a
   * fetch would skip records where the broker cannot tell.
   */
  looked(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => this.#onLook.push(resolve));
  }

  /** The same where the last look is older than metadata may be: for brokers that go by names only. */
  fresh(): Promise<void> {
    const age = performance.now() - this.#lookedAt;
    if (age < this.#settings.input.metadataMaxAgeMs) return Promise.resolve();
    this.doubt();
    return this.looked();
  }

  /** Ends, and waits for the end. */
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
        this.#requireHope(error);
        trouble = error;
      }
      if (this.#isOver) break;
      if (trouble === undefined) {
        this.#backoff.over();
        this.#connection.succeeded(); // the start may have left partitions to wait for
        await this.#due();
        continue;
      }
      this.#watch.doubt(); // what is wrong may be over by then
      await this.#backoff.pause(trouble, Infinity, this.#stop.signal);
    }
    this.#backoff.giveUp();
  }

  /** Throws what ends the run; returns where another try may do better. */
  #requireHope(error: unknown): void {
    if (error instanceof Unrecoverable || error instanceof TopicReplacedError) throw error;
    if (!isFatal(error)) return;
    const { topic } = error as { topic?: string };
    throw cannotRead(topic === undefined ? this.#settings.topics : [topic], error);
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

  /** Resolves with the look; when that takes long, nobody knows what partitions there are. */
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

  /** Looks after all partitions. Returns what is wrong with one, to look again soon. */
  async #look(): Promise<unknown> {
    let problems: ReadonlyMap<string, Error> = new Map();
    let unsure: ReadonlyMap<PartitionState, unknown> = new Map();
    if (this.#watch.isDue) {
      problems = await this.#watch.lookAtEach();
      for (const [topic, problem] of problems) this.#requireTopic(topic, problem);
      const found = await replacedMeanwhile(this.#states, this.#watch, this.#connection);
      for (const topic of found.replaced) this.#readAgain(topic);
      unsure = found.unsure;
      // Of what may be another topic, a fetch could skip records.
      for (const state of this.#states) {
        if (problems.has(state.topic) || unsure.has(state)) this.#host.release(state);
      }
      this.#lookedAt = performance.now();
    }
    let trouble: unknown = problems.values().next().value ?? unsure.values().next().value;
    for (const topic of this.#settings.topics) {
      if (problems.has(topic)) continue;
      if (!this.#settings.tail && !this.#replaced.has(topic)) continue;
      this.#findAdded(topic, await this.#connection.leaders(topic));
    }
    trouble = await this.#locate(problems) ?? trouble;
    trouble = await this.#tryTroubles(problems) ?? trouble;
    for (const topic of this.#settings.topics) {
      if (problems.has(topic)) continue;
      const leaders = await this.#connection.leaders(topic);
      trouble = this.#assign(topic, leaders, unsure) ?? trouble;
    }
    return trouble;
  }

  /** Throws where a topic has been deleted, or is not for us. */
  #requireTopic(topic: string, problem: Error): void {
    if (errorKind(problem) === "unknownTopic") {
      const since = this.#unknownSince.get(topic) ?? performance.now();
      this.#unknownSince.set(topic, since);
      if (performance.now() - since < DELETED_MS) return;
      throw new Unrecoverable(`topic "${topic}" has been deleted while it was being read`, {
        cause: problem,
      });
    }
    if (isFatal(problem)) throw cannotRead([topic], problem);
  }

  /** Reads a topic as a new one. What has been fetched of the old one is still handed out. */
  #readAgain(replaced: ReplacedTopic): void {
    const { topic } = replaced;
    allowReplaced(replaced, this.#settings, this.#at.log);
    for (const state of this.#states.filter((state) => state.topic === topic)) {
      this.#troubles.delete(state);
      this.#host.release(state);
      this.#host.gone(state);
    }
    const others = this.#states.filter((state) => state.topic !== topic);
    this.#states.splice(0, this.#states.length, ...others);
    for (const [name, each] of this.#pending) if (each.topic === topic) this.#pending.delete(name);
    for (const each of positionsIn(topic, this.#unread)) this.#unread.delete(positionName(each));
    this.#unknownSince.delete(topic);
    this.#replaced.add(topic);
  }

  /**
   * Partitions that were added to a topic are read from their first record. One with a stored
   * position is not new: the broker that was asked first did not know of it yet.
   */
  #findAdded(topic: string, leaders: ReadonlyMap<number, number>): void {
    const isReplaced = this.#replaced.delete(topic);
    const known = new Set(
      this.#states.flatMap((state) => state.topic === topic ? [state.partition] : []),
    );
    const mine = partitionsOf(leaders, this.#at);
    if (mine.length <= known.size) return;
    for (const partition of mine) {
      const name = positionName({ topic, partition });
      if (known.has(partition) || this.#pending.has(name)) continue;
      if (!isReplaced) this.#at.log.info("new partition", { topic, partition });
      this.#pending.set(name, {
        topic,
        partition,
        start: "beginning",
        stored: this.#unread.get(name),
        isReplaced,
      });
      this.#unread.delete(name); // it is the pending partition's now
    }
  }

  /** Finds out where partitions begin, of those that have a leader. Returns what is wrong with one. */
  async #locate(problems: ReadonlyMap<string, Error>): Promise<unknown> {
    let trouble: unknown;
    const pending = [...this.#pending.values()].filter(({ topic }) => !problems.has(topic));
    for (const [start, asked] of Map.groupBy(pending, ({ start }) => start)) {
      const { offsets, failed } = await locate(asked, start, this.#connection);
      for (const error of failed.values()) {
        this.#requireHope(error);
        trouble = error;
      }
      const from = (name: string) => this.#originOf(this.#pending.get(name)!);
      const states = startingStates(this.#settings, offsets, from, this.#at.log);
      for (const state of states) {
        this.#pending.delete(state.name);
        this.#states.push(state);
        this.#host.found(state);
      }
    }
    this.#host.tellIdle();
    return trouble;
  }

  /** Of which topic a partition is, and where it was read to. */
  #originOf({ topic, stored, isReplaced }: PendingPartition): Origin {
    const topicId = this.#watch.idOf(topic);
    const evidence = otherId(stored?.topicId ?? null, topicId);
    if (evidence !== null) allowReplaced({ topic, evidence }, this.#settings, this.#at.log);
    return { topicId, stored, isReplaced: isReplaced || evidence !== null };
  }

  /** Does something about partitions that could not be fetched. Returns what is wrong with one. */
  async #tryTroubles(problems: ReadonlyMap<string, Error>): Promise<unknown> {
    let last: unknown;
    for (const [state, trouble] of this.#troubles) {
      last = trouble.error;
      if (trouble.isTried || problems.has(state.topic)) continue;
      this.#requireHope(trouble.error);
      try {
        if (errorKind(trouble.error) === "offsetOutOfRange") await this.#reset(state);
        else if (trouble.error instanceof EndsEarly) await this.#shorten(state);
        trouble.isTried = true;
        if (!isAtEnd(state)) continue;
        this.#troubles.delete(state); // nothing will come that shows that it is well
        this.#host.gone(state);
      } catch (error) {
        this.#requireHope(error);
        last = error;
      }
    }
    return last;
  }

  /** What a partition is at has been deleted from it: as `auto.offset.reset` says. */
  async #reset(state: PartitionState): Promise<void> {
    const { topic, partition } = state;
    const { first, last } = await this.#offsetsOf(state);
    const { offsetReset } = this.#settings.input;
    if (offsetReset === "error") throw deleted(state, state.fetched, first, last);
    const to = offsetReset === "beginning" ? first : last;
    this.#at.log.warn("position lost: records were deleted before they were read", {
      topic,
      partition,
      position: state.fetched,
      goesOnAt: to,
    });
    if (state.end !== null) state.end = Math.min(state.end, last);
    this.#host.move(state, to);
  }

  /**
   * A partition seems to end before the offset where it is to be read to. A new leader may not know for a
   * moment how far its followers are, which it says when asked for offsets: so that is what counts.
   */
  async #shorten(state: PartitionState): Promise<void> {
    const { topic, partition, end } = state;
    const { first, last } = await this.#offsetsOf(state);
    if (end === null || last >= end) return;
    if (this.#settings.input.offsetReset === "error") throw deleted(state, end - 1, first, last);
    this.#at.log.warn("the partition is shorter than it was: records were deleted", {
      topic,
      partition,
      end,
      endsNowAt: last,
    });
    state.end = last;
  }

  async #offsetsOf(state: PartitionState): Promise<{ first: number; last: number }> {
    const { offsets: [offsets], failed } = await locate([state], "beginning", this.#connection);
    for (const error of failed.values()) throw error;
    return offsets;
  }

  /** Has each partition of a topic fetched from its leader. Returns what is wrong with one. */
  #assign(
    topic: string,
    leaders: ReadonlyMap<number, number>,
    unsure: ReadonlyMap<PartitionState, unknown>,
  ): unknown {
    let trouble: unknown;
    for (const state of this.#states) {
      if (state.topic !== topic || isAtEnd(state) || unsure.has(state)) continue;
      if (this.#troubles.get(state)?.isTried === false) continue;
      const leader = leaders.get(state.partition) ?? -1;
      if (leader >= 0) this.#host.assign(state, leader);
      else {
        this.#host.release(state);
        trouble ??= new WithoutLeaderError(state);
      }
    }
    return trouble;
  }
}

/** A partition is to be read to an offset that it does not reach. */
export class EndsEarly extends Error {}

/** Whether all of a partition that is wanted has been fetched. */
export function isAtEnd({ fetched, end }: PartitionState): boolean {
  return end !== null && fetched >= end;
}

/** The error for topics that we may not read, or cannot. */
export function cannotRead(topics: Iterable<string>, cause: unknown): Unrecoverable {
  const names = Array.from(topics, (topic) => `"${topic}"`).join(", ");
  return new Unrecoverable(`cannot read topic ${names}: ${messageOfKafka(cause)}`, { cause });
}

function deleted(
  { topic, partition }: PartitionState,
  position: number,
  first: number,
  last: number,
): Unrecoverable {
  return new Unrecoverable(
    `position ${position} of topic "${topic}", partition ${partition} is not on the broker ` +
      `any more, which has ${first} to ${last}: records were deleted before they were read (to ` +
      `go on all the same, set the property "auto.offset.reset" to earliest or latest)`,
  );
}
