/**
 * Fetches a worker's partitions in the background.
 *
 * One fetch is always on its way or waits for the flow, so that network, unpacking and the flow overlap;
 * when enough is waiting, no more is asked for.
 *
 * @module
 */
import type { Place } from "../../graph/contracts.ts";
import { readBatches, type StoredBatch } from "./batches.ts";
import { type Codec, codecOf, decompress, LARGEST_UNPACKED } from "./compression.ts";
import { isFatal, type KafkaConnection, kindOf, messageOfKafka } from "./connection.ts";
import { type FetchedPartition, fetchRecords } from "./fetch.ts";
import { errorOfCode } from "./kafkajs.ts";
import { OpenTransactions } from "./open_transactions.ts";
import { allowReplaced, replacedMeanwhile, type ReplacedTopic } from "./replaced_topics.ts";
import type { KafkaInputSettings } from "./settings.ts";
import { fetchOffsets, partitionsOf, type PartitionState, startingStates } from "./start.ts";
import { positionName } from "./topic_partition.ts";
import { TopicReplacedError, type TopicWatch } from "./topic_watch.ts";
import { committedBatches } from "./transactions.ts";

/** How far a fetch of less than one batch widens the next one. */
const LARGEST_PARTITION_BYTES = 64 << 20;

/** How long brokers must not know a topic, in milliseconds, before it counts as deleted. */
const DELETED_MS = 10_000;

/** How much longer an answer may take than the broker was asked to wait, in milliseconds. */
const SILENT_MS = 1_000;

const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** A batch that waits for the flow, unpacked. */
interface WaitingBatch {
  readonly batch: StoredBatch;
  readonly bytes: Uint8Array;
}

/** What was fetched of one partition, and waits for the flow. */
export interface Block {
  readonly state: PartitionState;
  readonly batches: readonly WaitingBatch[];
  /** Records before it were asked for by nobody: a broker answers with whole batches. */
  readonly from: number;
  /** The position when all of it has been handed out; records from there on are not wanted. */
  readonly next: number;
  readonly bytes: number;
}

/** Fetches until all partitions are at their end, or it is closed. */
export class Fetcher {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #watch: TopicWatch;
  readonly #states: PartitionState[];
  readonly #at: Place;
  readonly #blocks: Block[] = [];
  #waitingBytes = 0;
  #rounds = 0;
  #fetching: Promise<void> = Promise.resolve();
  #closed = false;
  #ended = false;
  /** What `idle` returned last; `null` where nobody has asked. */
  #answeredIdle: boolean | null = null;
  #unknownSince: number | null = null; // when the brokers began not to know a topic
  readonly #openTransactions: OpenTransactions;
  #failure: { error: unknown } | null = null;
  #onArrival: (() => void) | null = null;
  #onRoom: (() => void) | null = null;

  /**
   * Fetches nothing yet. `states` follow the topics: new partitions are added, and those of a topic that
   * has been created again take the place of the old ones.
   */
  constructor(
    settings: KafkaInputSettings,
    { connection, watch, states }: {
      readonly connection: KafkaConnection;
      readonly watch: TopicWatch;
      readonly states: PartitionState[];
    },
    at: Place,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#watch = watch;
    this.#states = states;
    this.#at = at;
    this.#openTransactions = new OpenTransactions(at.log);
  }

  /** Begins to fetch. */
  start(): void {
    this.#fetching = this.#fetchAll().catch((error) => {
      this.#failure = { error };
    }).finally(() => this.#wakeReader());
  }

  /** What has waited longest, until it is {@linkcode taken}; `null` where nothing waits. */
  get first(): Block | null {
    return this.#blocks.length > 0 ? this.#blocks[0] : null;
  }

  /** The first block has been handed out: there is room for more. */
  taken(): void {
    const block = this.#blocks.shift()!;
    this.#waitingBytes -= block.bytes;
    this.#onRoom?.();
  }

  /**
   * Whether nothing will come any more. Asked once nothing waits.
   *
   * @throws What fetching ended with, if it has failed.
   */
  isOver(): boolean {
    if (this.#failure !== null) throw this.#failure.error;
    return this.#ended;
  }

  /** Whether the brokers had no more records when they answered last, also none to be read later. */
  idle(): boolean {
    return this.#answeredIdle = this.#isIdle();
  }

  /**
   * Resolves when something waits, nothing will come any more, or `idle` would return something else
   * than it did last.
   */
  arrival(): Promise<void> {
    if (this.#blocks.length > 0 || this.#ended || this.#failure !== null || this.#hasTurned()) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#onArrival = resolve);
  }

  /** Ends fetching, and waits for its end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#onRoom?.();
    await this.#fetching;
  }

  #wakeReader(): void {
    this.#onArrival?.();
    this.#onArrival = null;
  }

  /** Fetches until all partitions are at their end, or the reader is closed. */
  async #fetchAll(): Promise<void> {
    for (;;) {
      if (this.#states.every(isAtEnd)) {
        this.#ended = true;
        return;
      }
      if (this.#isFull()) {
        await this.#room();
        this.#loseSight(); // brokers were not asked meanwhile
      }
      if (this.#closed || this.#at.signal.aborted) return;
      try {
        await this.#inTime(this.#round());
        this.#connection.succeeded();
        this.#unknownSince = null;
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  #isFull(): boolean {
    return this.#waitingBytes >= this.#settings.input.queuedMaxBytes;
  }

  #room(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onRoom = () => {
        if (this.#isFull() && !this.#closed) return;
        this.#onRoom = null;
        resolve();
      };
    });
  }

  async #round(): Promise<void> {
    if (await this.#findReplaced()) return; // there are other partitions
    await this.#findPartitions();
    await this.#fetchRound(this.#states.filter((state) => !isAtEnd(state)));
  }

  /** Whether a topic has been created again, and is read from where `auto.offset.reset` says. */
  async #findReplaced(): Promise<boolean> {
    if (!this.#watch.isDue) return false;
    const replaced = await replacedMeanwhile(this.#states, this.#watch, this.#connection);
    for (const topic of replaced) await this.#readAgain(topic);
    return replaced.length > 0;
  }

  /** Reads a topic as a new one. What has been fetched of the old one is still handed out. */
  async #readAgain(replaced: ReplacedTopic): Promise<void> {
    const { topic } = replaced;
    allowReplaced(replaced, this.#settings, this.#at.log);
    this.#connection.drop(); // it may know partitions of the old one
    const settings = { ...this.#settings, topics: [topic] };
    const mine = await partitionsOf(settings, this.#at, this.#connection);
    const offsets = await fetchOffsets(mine, "beginning", this.#connection);
    const topicId = this.#watch.idOf(topic);
    const read = () => ({ topicId, isReplaced: true });
    const states = startingStates(settings, new Map(), offsets, read, this.#at.log);
    const others = this.#states.filter((state) => state.topic !== topic);
    this.#states.splice(0, this.#states.length, ...others, ...states);
    this.#tellIdle();
  }

  /** Partitions that were added to a topic are read from their first record. */
  async #findPartitions(): Promise<void> {
    if (!this.#settings.tail) return;
    const all = await partitionsOf(this.#settings, this.#at, this.#connection);
    if (all.length <= this.#states.length) return;
    const known = new Set(this.#states.map(({ name }) => name));
    const added = all.filter((partition) => !known.has(positionName(partition)));
    const offsets = await fetchOffsets(added, "beginning", this.#connection);
    const states = startingStates(this.#settings, new Map(), offsets, (topic) => ({
      topicId: this.#watch.idOf(topic),
      isReplaced: false,
    }), this.#at.log);
    for (const { topic, partition } of states) {
      this.#at.log.info("new partition", { topic, partition });
    }
    this.#states.push(...states);
    this.#tellIdle();
  }

  /** Resolves with the round; when it takes longer than brokers may wait, nobody knows what is there. */
  async #inTime<R>(round: Promise<R>): Promise<R> {
    const timer = setTimeout(() => this.#loseSight(), this.#settings.input.fetchWaitMs + SILENT_MS);
    try {
      return await round;
    } finally {
      clearTimeout(timer);
    }
  }

  #loseSight(): void {
    for (const state of this.#states) state.caughtUp = false;
    this.#tellIdle();
  }

  #isIdle(): boolean {
    // Where reading ends somewhere, what is before that is there.
    const isRead = (state: PartitionState) => state.end === null ? state.caughtUp : isAtEnd(state);
    return this.#blocks.length === 0 && this.#states.every(isRead);
  }

  #hasTurned(): boolean {
    return this.#answeredIdle !== null && this.#isIdle() !== this.#answeredIdle;
  }

  /** Has the reader ask again where `idle` would return something else. */
  #tellIdle(): void {
    if (this.#hasTurned()) this.#wakeReader();
  }

  /** One fetch from each broker, for all the partitions that it leads: they wait side by side. */
  async #fetchRound(open: readonly PartitionState[]): Promise<void> {
    // Each partition comes first in its turn: the broker fills its answer from the front.
    const shift = this.#rounds++ % open.length;
    const turned = [...open.slice(shift), ...open.slice(0, shift)];
    const byLeader = new Map<number, PartitionState[]>();
    for (const state of turned) {
      const leader = (await this.#connection.leaders(state.topic)).get(state.partition);
      if (leader === undefined) throw errorOfCode(UNKNOWN_TOPIC_OR_PARTITION);
      if (leader < 0) {
        throw new Error(`topic "${state.topic}", partition ${state.partition} has no leader now`);
      }
      const states = byLeader.get(leader);
      if (states === undefined) byLeader.set(leader, [state]);
      else states.push(state);
    }
    // All have to be over before an error begins the next round: two fetches of a partition side by side
    // would both hand out what comes.
    const fetches = await Promise.allSettled(
      [...byLeader].map(([leader, states]) => this.#fetchFrom(leader, states)),
    );
    for (const fetch of fetches) if (fetch.status === "rejected") throw fetch.reason;
  }

  async #fetchFrom(leader: number, states: readonly PartitionState[]): Promise<void> {
    const { input } = this.#settings;
    const broker = await this.#connection.broker(leader);
    const asked = states.map(({ topic, topicId, partition, fetched, maxBytes }) => ({
      topic,
      topicId,
      partition,
      offset: fetched,
      maxBytes,
    }));
    const answers = await fetchRecords(broker, asked, {
      maxWaitMs: input.fetchWaitMs,
      minBytes: input.fetchMinBytes,
      maxBytes: input.fetchMaxBytes,
      isolation: input.isolation,
    });
    const byName = new Map(states.map((state) => [state.name, state]));
    // Unpacking takes time, and a broker that throttles for a quota answers without partitions.
    for (const state of states) state.caughtUp = false;
    let problem: unknown;
    for (const answer of answers) {
      const state = byName.get(positionName(answer));
      if (state === undefined) continue;
      if (answer.errorCode === 0) await this.#take(answer, state);
      else if (answer.errorCode === OFFSET_OUT_OF_RANGE) {
        await this.#checkTopics();
        await this.#reset(state);
      } else problem = errorOfCode(answer.errorCode);
    }
    this.#tellIdle();
    if (problem !== undefined) throw problem;
  }

  /** Throws where a topic has been created again: the next round deals with that. */
  async #checkTopics(): Promise<void> {
    const replaced = await replacedMeanwhile(this.#states, this.#watch, this.#connection);
    for (const { topic, evidence } of replaced) throw new Error(`"${topic}" changed: ${evidence}`);
  }

  /** Keeps what was fetched of a partition for the flow. */
  async #take(answer: FetchedPartition, state: PartitionState): Promise<void> {
    const { records, aborted, highWatermark } = answer;
    const { input } = this.#settings;
    const batches = readable(state, () => readBatches(records, input.checkCrcs));
    if (batches.length === 0) {
      if (records.length > 0) {
        state.maxBytes = Math.min(state.maxBytes * 2, LARGEST_PARTITION_BYTES);
      } else this.#openTransactions.nothingCame(state, answer);
      if (state.end !== null && highWatermark < state.end) await this.#shorten(state);
      // Records of an open transaction cannot be read, but they are there.
      state.caughtUp = state.fetched >= highWatermark;
      return;
    }
    const after = batches[batches.length - 1].lastOffset + 1;
    const { end, fetched: from } = state;
    const next = end !== null && after > end ? end : after;
    const wanted = input.isolation === "read_committed"
      ? committedBatches(batches, aborted)
      : batches.filter(({ isControl }) => !isControl);
    const waiting: WaitingBatch[] = [];
    let bytes = 0;
    for (const batch of wanted) {
      if (batch.lastOffset < from || batch.baseOffset >= next || batch.count === 0) continue;
      const codec = readable(state, () => codecOf(batch.attributes));
      const unpacked = codec === "none" ? batch.records : await this.#unpack(state, batch, codec);
      waiting.push({ batch, bytes: unpacked });
      bytes += unpacked.length;
    }
    state.fetched = next;
    state.caughtUp = next >= highWatermark;
    state.maxBytes = input.partitionMaxBytes;
    this.#push({ state, batches: waiting, from, next, bytes });
  }

  #push(block: Block): void {
    this.#blocks.push(block);
    this.#waitingBytes += block.bytes;
    this.#wakeReader();
  }

  async #unpack(state: PartitionState, batch: StoredBatch, codec: Codec): Promise<Uint8Array> {
    try {
      return await decompress(codec, batch.records, LARGEST_UNPACKED);
    } catch (error) {
      throw unreadable(state, batch.baseOffset, error);
    }
  }

  /** What a partition is at has been deleted from it: as `auto.offset.reset` says. */
  async #reset(state: PartitionState): Promise<void> {
    const { topic, partition } = state;
    const [{ first, last }] = await fetchOffsets([state], "beginning", this.#connection);
    const { offsetReset } = this.#settings.input;
    if (offsetReset === "error") throw deleted(state, state.fetched, first, last);
    const to = offsetReset === "beginning" ? first : last;
    this.#at.log.warn("position lost: records were deleted before they were read", {
      topic,
      partition,
      position: state.fetched,
      goesOnAt: to,
    });
    state.fetched = to;
    if (state.end !== null) state.end = Math.min(state.end, last);
    state.caughtUp = false;
    // The position that is stored moves too, behind what was fetched before.
    this.#push({ state, batches: [], from: to, next: to, bytes: 0 });
  }

  /**
   * A partition seems to end before the offset where it is to be read to. A new leader may not know for a
   * moment how far its followers are, which it says when asked for offsets: so that is what counts.
   */
  async #shorten(state: PartitionState): Promise<void> {
    const { topic, partition, end } = state;
    await this.#checkTopics();
    const [{ first, last }] = await fetchOffsets([state], "beginning", this.#connection);
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

  /** After an error: a new connection, and on from the same positions; or the end of the run. */
  async #recover(error: unknown): Promise<void> {
    if (this.#closed) return;
    if (error instanceof Unrecoverable || error instanceof TopicReplacedError) throw error;
    this.#watch.doubt();
    const topics = this.#settings.topics.map((topic) => `"${topic}"`).join(", ");
    if (kindOf(error) === "UNKNOWN_TOPIC_OR_PARTITION") {
      this.#unknownSince ??= performance.now();
      if (performance.now() - this.#unknownSince >= DELETED_MS) {
        throw new Error(`topic ${topics} has been deleted while it was being read`, {
          cause: error,
        });
      }
    } else if (kindOf(error) !== "UNKNOWN_TOPIC_ID") this.#unknownSince = null;
    if (isFatal(error)) {
      throw new Error(`cannot read topic ${topics}: ${messageOfKafka(error)}`, { cause: error });
    }
    this.#loseSight();
    this.#connection.drop();
    await this.#connection.pause(error);
  }
}

/** Whether all of a partition that is wanted has been fetched. */
function isAtEnd({ fetched, end }: PartitionState): boolean {
  return end !== null && fetched >= end;
}

/** Ends the run: going on would skip records. */
class Unrecoverable extends Error {}

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

/** What `read` gives; an error of it says where the partition cannot be read. */
export function readable<R>(state: PartitionState, read: () => R): R {
  try {
    return read();
  } catch (error) {
    throw unreadable(state, state.handedOut, error);
  }
}

function unreadable(
  { topic, partition }: PartitionState,
  offset: number,
  cause: unknown,
): Unrecoverable {
  return new Unrecoverable(
    `topic "${topic}", partition ${partition} cannot be read from offset ${offset} on: ` +
      messageOfKafka(cause),
    { cause },
  );
}
