/**
 * Fetches a worker's partitions in the background, and keeps what waits for the flow.
 *
 * Each broker has its own rounds (`broker_rounds.ts`). A keeper decides which broker fetches which
 * partition (`partition_keeper.ts`).
 *
 * @module
 */
import type { PartitionName } from "../../../core/ids.ts";
import type { Place } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { errorKind, isFatal } from "../client/errors.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import type { FetchedPartition } from "../wire/fetch.ts";
import { BlockRecords } from "./block_records.ts";
import { BrokerRounds, type RoundsHost } from "./broker_rounds.ts";
import { FetchedBatches } from "./fetched_batches.ts";
import { OpenTransactions } from "./open_transactions.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { ReaderParts } from "./partition_finder.ts";
import { type KeeperHost, PartitionKeeper } from "./partition_keeper.ts";
import { PartitionRoom } from "./partition_room.ts";
import { EndsEarly } from "./partition_troubles.ts";
import { firstMark } from "./record_mark.ts";
import { committedBatches } from "./transactions.ts";
import { cannotRead, unreadable, Unrecoverable } from "./unrecoverable.ts";
import { WaitingBatch } from "./waiting_batch.ts";
import { type Block, WaitingBlocks } from "./waiting_blocks.ts";
import type { WorkerPartitions } from "./worker_partitions.ts";

/** How many bytes may be unpacked before the flow asks for them. */
const UNPACKED_AHEAD = 32 << 20;

/** Fetches until all partitions are at their end, or it is closed. */
export class Fetcher {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #partitions: WorkerPartitions;
  readonly #at: Place;
  readonly #keeper: PartitionKeeper;
  readonly #rounds = new Map<number, BrokerRounds>(); // by the number of the broker
  readonly #waiting: WaitingBlocks;
  /** Of each partition; `null` if all share one, and blocks are taken in the order they came in. */
  readonly #roomOf: PartitionRoom | null;
  readonly #fetched: FetchedBatches;
  #closed = false;
  /** The last result of `idle`; `null` before the first call. */
  #answeredIdle: boolean | null = null;
  readonly #openTransactions: OpenTransactions;
  #failure: { error: unknown } | null = null;
  #onArrival: (() => void) | null = null;
  #onRoom: (() => void)[] = [];

  /** Fetches nothing yet. */
  constructor(settings: KafkaInputSettings, parts: ReaderParts, at: Place) {
    this.#settings = settings;
    this.#connection = parts.connection;
    this.#partitions = parts.partitions;
    this.#at = at;
    this.#keeper = new PartitionKeeper(settings, parts, at, this.#keeperHost());
    this.#openTransactions = new OpenTransactions(at.log);
    this.#fetched = new FetchedBatches(settings.input.checkCrcs);
    const isByPartition = at.alignment !== undefined && at.alignment !== null;
    this.#waiting = new WaitingBlocks(isByPartition);
    this.#roomOf = isByPartition ? this.#partitionRoom() : null;
  }

  /** Begins to fetch. */
  start(): void {
    if (!this.#ended) this.#keeper.start((error) => this.#fail(error));
  }

  /** What waits for the flow, until it is {@linkcode taken}. */
  get waiting(): WaitingBlocks {
    return this.#waiting;
  }

  /** A block has been handed out, so there is room for more. */
  taken(block: Block): void {
    this.#waiting.remove(block);
    if (this.#roomOf !== null) this.#roomOf.taken(block.cursor.name);
    else if (!this.#isFull) this.#wakeRounds();
  }

  /** Whether a partition has nothing but what has been handed out, by its broker's last answer. */
  isCurrent(cursor: PartitionCursor): boolean {
    const { name, state, broker } = cursor;
    return state === "caught up" && broker !== null && this.#waiting.firstOf(name) === null &&
      this.#roundsOf(broker).inSight;
  }

  /** How old what is known of a partition's end is, in milliseconds; `null` if nothing is known. */
  endAge(cursor: PartitionCursor): number | null {
    const { broker } = cursor;
    const knownAt = broker === null ? cursor.endKnownAt : this.#roundsOf(broker).endKnownAt(cursor);
    return knownAt === null ? null : performance.now() - knownAt;
  }

  /**
   * Whether nothing more will come. Call it once nothing waits.
   *
   * @throws The error that ended fetching, if it has failed.
   */
  isOver(): boolean {
    this.requireFine();
    return this.#ended;
  }

  /** Throws the error that ended fetching, if it has failed. */
  requireFine(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /**
   * Whether the brokers had no more records at their last answers, not even in open transactions.
   */
  idle(): boolean {
    return this.#answeredIdle = this.#isIdle;
  }

  /**
   * Resolves when something waits, nothing more will come, or `idle` would return another value.
   */
  arrival(): Promise<void> {
    if (!this.#waiting.isEmpty || this.#ended || this.#failure !== null || this.#hasTurned) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#onArrival = resolve);
  }

  /**
   * Resolves when something waits of another partition than of `names`, which were those of
   * {@linkcode waiting}, or when fetching fails.
   */
  otherArrival(names: readonly PartitionName[]): Promise<void> {
    if (names !== this.#waiting.names || this.#failure !== null) return Promise.resolve();
    return new Promise((resolve) => this.#onArrival = resolve);
  }

  /** Ends fetching, and closes the connection. Requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeRounds();
    await this.#connection.close();
    await Promise.all([
      this.#keeper.close(),
      ...Array.from(this.#rounds.values(), (rounds) => rounds.ended()),
    ]);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure ??= { error };
    this.#wakeReader();
  }

  #wakeReader(): void {
    this.#onArrival?.();
    this.#onArrival = null;
  }

  #wakeRounds(): void {
    for (const wake of this.#onRoom.splice(0)) wake();
  }

  get #isClosed(): boolean {
    return this.#closed || this.#failure !== null || this.#at.signal.aborted;
  }

  get #isFull(): boolean {
    return this.#waiting.bytes >= this.#settings.input.queuedMaxBytes;
  }

  /** Whether all partitions are at their ends, if reading has an end. */
  get #ended(): boolean {
    return !this.#settings.tail && this.#partitions.behind === 0 && !this.#keeper.isTroubled;
  }

  get #isIdle(): boolean {
    return this.#waiting.isEmpty && this.#partitions.behind === 0 && !this.#keeper.isTroubled &&
      this.#keeper.inSight && [...this.#rounds.values()].every(({ inSight }) => inSight);
  }

  get #hasTurned(): boolean {
    return this.#answeredIdle !== null && this.#isIdle !== this.#answeredIdle;
  }

  /** Wakes the reader if `idle` would return another value, or nothing more will come. */
  #tellIdle(): void {
    if (this.#hasTurned || this.#ended) this.#wakeReader();
  }

  #roundsOf(nodeId: number): BrokerRounds {
    const known = this.#rounds.get(nodeId);
    if (known !== undefined) return known;
    const rounds = new BrokerRounds(nodeId, this.#settings, this.#connection, this.#roundsHost());
    this.#rounds.set(nodeId, rounds);
    return rounds;
  }

  /** Has a partition fetched from its leader, and from no other broker. */
  #assign(cursor: PartitionCursor, leader: number): void {
    if (cursor.broker !== leader) this.#release(cursor);
    cursor.assign(leader);
    const rounds = this.#roundsOf(leader);
    if (!rounds.has(cursor)) rounds.add(cursor);
    this.#roomOf?.look(cursor);
  }

  /** Stops fetching a partition. */
  #release(cursor: PartitionCursor): void {
    if (cursor.broker !== null) this.#roundsOf(cursor.broker).remove(cursor);
    this.#roomOf?.forget(cursor);
    cursor.release();
  }

  #keeperHost(): KeeperHost {
    const isClosed = () => this.#isClosed;
    return {
      get isClosed() {
        return isClosed();
      },
      assign: (cursor, leader) => this.#assign(cursor, leader),
      release: (cursor) => this.#release(cursor),
      jump: (cursor, to) => {
        // The stored position follows once what was fetched before has been handed out.
        const records = new BlockRecords([]);
        this.#push({ ...cursor.jump(to), cursor, records, bytes: 0, unpackedBytes: 0 });
      },
      tellIdle: () => this.#tellIdle(),
    };
  }

  #partitionRoom(): PartitionRoom {
    const { queuedMaxBytes, partitionMaxBytes } = this.#settings.input;
    return new PartitionRoom(queuedMaxBytes, partitionMaxBytes, {
      bytesOf: (name) => this.#waiting.bytesOf(name),
      count: () => Math.max(1, this.#partitions.readCount),
      hold: (cursor) => {
        this.#roundsOf(cursor.broker!).hold(cursor);
        cursor.doubt(); // it is not known what comes while its broker is not asked
      },
      resume: (cursor) => this.#roundsOf(cursor.broker!).resume(cursor),
    });
  }

  #roundsHost(): RoundsHost {
    const isClosed = () => this.#isClosed;
    return {
      get isClosed() {
        return isClosed();
      },
      room: () => this.#room(),
      take: (answer, cursor, isWanted) => this.#take(answer, cursor, isWanted),
      hand: (cursor, error) => this.#hand(cursor, error),
      failed: (error, cursors) => this.#roundFailed(error, cursors),
      looked: () => this.#keeper.looked(),
      fresh: () => this.#keeper.fresh(),
      tellIdle: () => this.#tellIdle(),
      fail: (error) => this.#fail(error),
    };
  }

  async #room(): Promise<boolean> {
    this.#openTransactions.look();
    if (this.#roomOf !== null || !this.#isFull || this.#isClosed) return false;
    await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    return true;
  }

  /** A broker does not fetch a partition any more, so the keeper looks after it. */
  #hand(cursor: PartitionCursor, error: unknown): void {
    // The broker itself has found the damage, and would find it again.
    if (errorKind(error) === "corrupt") throw unreadable(cursor, cursor.fetched, error);
    this.#release(cursor);
    this.#keeper.hand(cursor, error);
    this.#tellIdle();
  }

  #roundFailed(error: unknown, cursors: Iterable<PartitionCursor>): void {
    if (error instanceof Unrecoverable) throw error;
    if (isFatal(error)) throw cannotRead(new Set(Array.from(cursors, ({ topic }) => topic)), error);
    this.#keeper.doubt();
  }

  /** Keeps the answer of a partition for the flow. */
  async #take(
    answer: FetchedPartition,
    cursor: PartitionCursor,
    isWanted: () => boolean,
  ): Promise<void> {
    this.#keeper.isFine(cursor);
    const { records, aborted, highWatermark } = answer;
    const { fetched: from, end } = cursor;
    const batches = readable(cursor, () => this.#fetched.of(answer, cursor));
    if (batches.length === 0) {
      if (records.length > 0) return; // it is requested again
      this.#openTransactions.nothingCame(cursor, answer);
      if (end !== null && highWatermark < end) {
        return this.#hand(cursor, new EndsEarly(`it ends at ${highWatermark}`));
      }
      // Records of an open transaction exist, but cannot be read.
      cursor.sawHighWatermark(highWatermark);
      return;
    }
    const after = batches[batches.length - 1].lastOffset + 1;
    const next = end !== null && after > end ? end : after;
    const wanted = this.#settings.input.isolation === "read_committed"
      ? readable(cursor, () => committedBatches(batches, aborted))
      : batches.filter(({ isControl }) => !isControl);
    const waiting = wanted
      .filter(({ baseOffset, lastOffset }) => lastOffset >= from && baseOffset < next)
      .map((batch) => new WaitingBatch(batch));
    const unpackedBytes = await this.#unpackAhead(waiting);
    // Meanwhile the partition may have moved to another broker, which is asked for the same. If
    // reading has failed, the records may be of another topic.
    if (!isWanted() || this.#isClosed) return;
    if (cursor.lacksMark) {
      const mark = firstMark(waiting, from);
      if (mark !== null) cursor.recogniseBy(mark);
    }
    const range = cursor.took(from, next);
    cursor.sawHighWatermark(highWatermark);
    if (cursor.state === "ended") this.#release(cursor);
    const bytes = records.length + unpackedBytes;
    this.#push({ ...range, cursor, records: new BlockRecords(waiting), bytes, unpackedBytes });
    if (cursor.broker !== null) this.#roomOf?.look(cursor);
  }

  #push(block: Block): void {
    const isFirst = this.#waiting.push(block);
    if (isFirst || this.#roomOf === null) this.#wakeReader();
  }

  /** Unpacks batches while there is room for that. Resolves to the number of bytes unpacked. */
  async #unpackAhead(batches: readonly WaitingBatch[]): Promise<number> {
    let bytes = 0;
    for (const batch of batches) {
      if (!await batch.unpackAhead(UNPACKED_AHEAD - this.#waiting.unpackedBytes - bytes)) break;
      bytes += batch.unpackedBytes;
    }
    return bytes;
  }
}

/**
 * Returns the result of `read`. Its errors get the offset from which the partition is unreadable.
 */
function readable<R>(cursor: PartitionCursor, read: () => R): R {
  try {
    return read();
  } catch (error) {
    throw unreadable(cursor, cursor.fetched, error);
  }
}
