/**
 * Fetches a worker's partitions in the background, and keeps what waits for the flow.
 *
 * Each broker has rounds of its own (`broker_rounds.ts`); a keeper says which of them fetches what
 * (`partition_keeper.ts`).
 *
 * @module
 */
import type { Place } from "../../../graph/contracts.ts";
import { BrokerRounds, type RoundsHost } from "./broker_rounds.ts";
import { errorKind, isFatal, messageOfKafka } from "../client/errors.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { PAST_DAMAGE } from "../wire/damage.ts";
import type { FetchedPartition } from "../wire/fetch.ts";
import { FetchedBatches } from "./fetched_batches.ts";
import { OpenTransactions } from "./open_transactions.ts";
import {
  cannotRead,
  EndsEarly,
  isAtEnd,
  type KeeperHost,
  type Kept,
  PartitionKeeper,
  Unrecoverable,
} from "./partition_keeper.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import type { PartitionState } from "./start.ts";
import { committedBatches } from "./transactions.ts";
import { WaitingBatch } from "./waiting_batch.ts";

/** How much may be unpacked before the flow asks for it, in bytes. */
const UNPACKED_AHEAD = 32 << 20;

/** What was fetched of one partition, and waits for the flow. */
export interface Block {
  readonly state: PartitionState;
  readonly batches: readonly WaitingBatch[];
  /** Records before it were asked for by nobody: a broker answers with whole batches. */
  readonly from: number;
  /** The position when all of it has been handed out; records from there on are not wanted. */
  readonly next: number;
  /** What it takes, packed and unpacked. */
  readonly bytes: number;
  /** What of that is unpacked. */
  readonly unpackedBytes: number;
}

/** Fetches until all partitions are at their end, or it is closed. */
export class Fetcher {
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #states: readonly PartitionState[];
  readonly #at: Place;
  readonly #keeper: PartitionKeeper;
  readonly #rounds = new Map<number, BrokerRounds>(); // by the number of the broker
  readonly #fetchedBy = new Map<PartitionState, BrokerRounds>();
  /** The partitions that have records to be read, or may have. */
  readonly #behind = new Set<PartitionState>();
  readonly #blocks: Block[] = [];
  readonly #fetched: FetchedBatches;
  #waitingBytes = 0;
  #unpackedBytes = 0; // among those
  #closed = false;
  /** What `idle` returned last; `null` where nobody has asked. */
  #answeredIdle: boolean | null = null;
  readonly #openTransactions: OpenTransactions;
  #failure: { error: unknown } | null = null;
  #onArrival: (() => void) | null = null;
  #onRoom: (() => void)[] = [];

  /**
   * Fetches nothing yet. `states` follow the topics: new partitions are added, and those of a topic that
   * has been created again take the place of the old ones.
   */
  constructor(settings: KafkaInputSettings, kept: Kept, at: Place) {
    this.#settings = settings;
    this.#connection = kept.connection;
    this.#states = kept.states;
    this.#at = at;
    this.#keeper = new PartitionKeeper(settings, kept, at, this.#keeperHost());
    this.#openTransactions = new OpenTransactions(at.log);
    this.#fetched = new FetchedBatches(settings.input.checkCrcs);
    for (const state of kept.states) this.#lose(state);
  }

  /** Begins to fetch. */
  start(): void {
    if (!this.#ended) this.#keeper.start((error) => this.#fail(error));
  }

  /** What has waited longest, until it is {@linkcode taken}; `null` where nothing waits. */
  get first(): Block | null {
    return this.#blocks.length > 0 ? this.#blocks[0] : null;
  }

  /** The first block has been handed out: there is room for more. */
  taken(): void {
    const block = this.#blocks.shift()!;
    this.#waitingBytes -= block.bytes;
    this.#unpackedBytes -= block.unpackedBytes;
    if (!this.#isFull) this.#wakeRounds();
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
    return this.#answeredIdle = this.#isIdle;
  }

  /**
   * Resolves when something waits, nothing will come any more, or `idle` would return something else
   * than it did last.
   */
  arrival(): Promise<void> {
    if (this.#blocks.length > 0 || this.#ended || this.#failure !== null || this.#hasTurned) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#onArrival = resolve);
  }

  /** Ends fetching, and the connection, which ends what is waited for. */
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
    return this.#waitingBytes >= this.#settings.input.queuedMaxBytes;
  }

  /** Whether all partitions are at their ends, where reading has one. */
  get #ended(): boolean {
    return !this.#settings.tail && this.#behind.size === 0 && !this.#keeper.isTroubled;
  }

  get #isIdle(): boolean {
    return this.#blocks.length === 0 && this.#behind.size === 0 && !this.#keeper.isTroubled &&
      this.#keeper.inSight && [...this.#rounds.values()].every(({ inSight }) => inSight);
  }

  get #hasTurned(): boolean {
    return this.#answeredIdle !== null && this.#isIdle !== this.#answeredIdle;
  }

  /** Has the reader ask again where `idle` would return something else, or nothing will come. */
  #tellIdle(): void {
    if (this.#hasTurned || this.#ended) this.#wakeReader();
  }

  /** Nobody knows what a partition has. Where reading ends somewhere, what is before that is there. */
  #lose(state: PartitionState): void {
    if (!isAtEnd(state)) this.#behind.add(state);
  }

  /** A partition has been fetched, and the broker had no more, in open transactions neither. */
  #caughtUp(state: PartitionState): void {
    if (state.end === null || isAtEnd(state)) this.#behind.delete(state);
  }

  #roundsOf(nodeId: number): BrokerRounds {
    const known = this.#rounds.get(nodeId);
    if (known !== undefined) return known;
    const rounds = new BrokerRounds(nodeId, this.#settings, this.#connection, this.#roundsHost());
    this.#rounds.set(nodeId, rounds);
    return rounds;
  }

  #release(state: PartitionState): void {
    this.#fetchedBy.get(state)?.remove(state);
    this.#fetchedBy.delete(state);
    this.#lose(state);
  }

  #keeperHost(): KeeperHost {
    const isClosed = () => this.#isClosed;
    return {
      get isClosed() {
        return isClosed();
      },
      assign: (state, leader) => {
        const rounds = this.#roundsOf(leader);
        if (this.#fetchedBy.get(state) !== rounds) this.#release(state);
        this.#fetchedBy.set(state, rounds);
        if (!rounds.has(state)) rounds.add(state);
      },
      release: (state) => this.#release(state),
      found: (state) => this.#lose(state),
      gone: (state) => void this.#behind.delete(state),
      move: (state, to) => {
        state.fetched = to;
        if (isAtEnd(state)) this.#behind.delete(state);
        // The position that is stored moves too, behind what was fetched before.
        this.#push({ state, batches: [], from: to, next: to, bytes: 0, unpackedBytes: 0 });
      },
      tellIdle: () => this.#tellIdle(),
    };
  }

  #roundsHost(): RoundsHost {
    const isClosed = () => this.#isClosed;
    return {
      get isClosed() {
        return isClosed();
      },
      room: () => this.#room(),
      lose: (state) => this.#lose(state),
      take: (answer, state, isWanted) => this.#take(answer, state, isWanted),
      hand: (state, error) => this.#hand(state, error),
      failed: (error, states) => this.#roundFailed(error, states),
      looked: () => this.#keeper.looked(),
      fresh: () => this.#keeper.fresh(),
      tellIdle: () => this.#tellIdle(),
      fail: (error) => this.#fail(error),
    };
  }

  async #room(): Promise<boolean> {
    this.#openTransactions.look();
    if (!this.#isFull || this.#isClosed) return false;
    await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    return true;
  }

  /** A partition cannot be fetched where it was: the keeper looks after it. */
  #hand(state: PartitionState, error: unknown): void {
    // The broker has found it damaged, and would again.
    if (errorKind(error) === "corrupt") throw unreadable(state, state.fetched, error);
    this.#release(state);
    this.#keeper.hand(state, error);
    this.#tellIdle();
  }

  #roundFailed(error: unknown, states: Iterable<PartitionState>): void {
    if (error instanceof Unrecoverable) throw error;
    if (isFatal(error)) throw cannotRead(new Set(Array.from(states, ({ topic }) => topic)), error);
    this.#keeper.doubt();
  }

  /** Keeps what was fetched of a partition for the flow. */
  async #take(
    answer: FetchedPartition,
    state: PartitionState,
    isWanted: () => boolean,
  ): Promise<void> {
    this.#keeper.isFine(state);
    const { records, aborted, highWatermark } = answer;
    const { input } = this.#settings;
    const batches = readable(state, state.fetched, () => this.#fetched.of(answer, state));
    if (batches.length === 0) {
      if (records.length > 0) return; // asked for again
      this.#openTransactions.nothingCame(state, answer);
      if (state.end !== null && highWatermark < state.end) {
        return this.#hand(state, new EndsEarly(`it ends at ${highWatermark}`));
      }
      // Records of an open transaction cannot be read, but they are there.
      if (state.fetched >= highWatermark) this.#caughtUp(state);
      return;
    }
    const after = batches[batches.length - 1].lastOffset + 1;
    const { end, fetched: from } = state;
    const next = end !== null && after > end ? end : after;
    const wanted = input.isolation === "read_committed"
      ? readable(state, state.fetched, () => committedBatches(batches, aborted))
      : batches.filter(({ isControl }) => !isControl);
    const waiting = wanted
      .filter(({ baseOffset, lastOffset }) => lastOffset >= from && baseOffset < next)
      .map((batch) => new WaitingBatch(batch));
    const unpackedBytes = await this.#unpackAhead(waiting);
    // While it was unpacked, the partition may have gone to another broker, which asked for it again.
    if (!isWanted()) return;
    state.fetched = next;
    if (next >= highWatermark || isAtEnd(state)) this.#caughtUp(state);
    state.maxBytes = input.partitionMaxBytes;
    if (isAtEnd(state)) this.#fetchedBy.get(state)?.remove(state);
    const bytes = records.length + unpackedBytes;
    this.#push({ state, batches: waiting, from, next, bytes, unpackedBytes });
  }

  #push(block: Block): void {
    this.#blocks.push(block);
    this.#waitingBytes += block.bytes;
    this.#unpackedBytes += block.unpackedBytes;
    this.#wakeReader();
  }

  /** Unpacks batches while there is room for that. Resolves to how many bytes they make. */
  async #unpackAhead(batches: readonly WaitingBatch[]): Promise<number> {
    let bytes = 0;
    for (const batch of batches) {
      if (!await batch.unpackAhead(UNPACKED_AHEAD - this.#unpackedBytes - bytes)) break;
      bytes += batch.unpackedBytes;
    }
    return bytes;
  }
}

/** What `read` gives; an error of it says from which offset on the partition cannot be read. */
function readable<R>(state: PartitionState, offset: number, read: () => R): R {
  try {
    return read();
  } catch (error) {
    throw unreadable(state, offset, error);
  }
}

/** The error for a partition that cannot be read from an offset on. */
export function unreadable(
  { topic, partition }: PartitionState,
  offset: number,
  cause: unknown,
): Unrecoverable {
  return new Unrecoverable(
    `topic "${topic}", partition ${partition} cannot be read from offset ${offset} on: ` +
      `${messageOfKafka(cause)}. ${PAST_DAMAGE}`,
    { cause },
  );
}
