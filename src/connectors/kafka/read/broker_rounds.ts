/**
 * Fetches from one broker, round after round, independently of other brokers.
 *
 * One fetch is always under way, or waits for the flow. So network, unpacking and the flow overlap.
 * When enough is waiting, no more is requested.
 *
 * @module
 */
import { sleep } from "../../../core/promises.ts";
import type { Backoff } from "../client/backoff.ts";
import type { KafkaConnection } from "../client/connection.ts";
import {
  type FetchedPartition,
  fetchInSession,
  goesByIds,
  type PartitionFetch,
} from "../wire/fetch.ts";
import { FetchSession } from "./fetch_session.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import { positionName } from "../wire/topic_partition.ts";
import { impossibleAnswer, missingAnswer } from "../wire/wrong_answer.ts";

/** How much longer an answer may take than the broker was asked to wait, in milliseconds. */
export const SILENT_MS = 1_000;

/** An answer without records. */
interface Empty {
  /** What is wrong if the answer claims records but has none; otherwise `null`. */
  readonly error: Error | null;
}

/** What rounds need from their fetcher. */
export interface RoundsHost {
  readonly isClosed: boolean;
  /**
   * Resolves once there is room for more, or none is needed. The value is whether it had to wait.
   */
  room(): Promise<boolean>;
  /** Keeps what a broker sent of a partition, as long as it `isWanted`. */
  take(answer: FetchedPartition, cursor: PartitionCursor, isWanted: () => boolean): Promise<void>;
  /** The broker cannot serve a partition: the keeper has to look after it. */
  hand(cursor: PartitionCursor, error: unknown): void;
  /** The broker cannot be reached. Throws if that ends the run. */
  failed(error: unknown, cursors: Iterable<PartitionCursor>): void;
  /** Resolves when the keeper has looked again. Until then, no partition may be fetched. */
  looked(): Promise<void>;
  /** The same if its last look is old; otherwise it resolves at once. */
  fresh(): Promise<void>;
  /** What `idle` depends on may have changed. */
  tellIdle(): void;
  /** Ends the run. */
  fail(error: unknown): void;
}

/** The rounds of one broker, for the partitions that it leads. */
export class BrokerRounds {
  readonly #nodeId: number;
  readonly #settings: KafkaInputSettings;
  readonly #connection: KafkaConnection;
  readonly #host: RoundsHost;
  readonly #session: FetchSession;
  readonly #backoff: Backoff;
  #awake = new AbortController(); // aborted to end a pause
  #hasResumed = false; // a partition, since the last request
  #onResumed: () => void = () => {};
  #running: Promise<void> | null = null;
  #inSight = false;
  #answeredAt = -Infinity; // by `performance.now()`

  /** Requests nothing until it has a partition. */
  constructor(
    nodeId: number,
    settings: KafkaInputSettings,
    connection: KafkaConnection,
    host: RoundsHost,
  ) {
    this.#nodeId = nodeId;
    this.#settings = settings;
    this.#connection = connection;
    this.#host = host;
    // If reading ends, each answer has to report the end of each partition.
    this.#session = new FetchSession(settings.tail);
    this.#backoff = connection.backoff();
  }

  /** Whether the broker's last answer came in time, so that its view of partitions is valid. */
  get inSight(): boolean {
    return this.#inSight || this.#session.size === 0;
  }

  /**
   * When the end of a partition was known last, by `performance.now()`; `null` if it never was. In
   * a session, an answer leaves out partitions without news.
   */
  endKnownAt(cursor: PartitionCursor): number | null {
    const { endKnownAt, isEndKnown } = cursor;
    if (endKnownAt === null || !isEndKnown || this.#session.isHeld(cursor)) return endKnownAt;
    return Math.max(endKnownAt, this.#answeredAt);
  }

  /** Whether a partition is fetched here. */
  has(cursor: PartitionCursor): boolean {
    return this.#session.has(cursor);
  }

  /** Fetches a partition from the next round on. */
  add(cursor: PartitionCursor): void {
    this.#session.add(cursor);
    this.#onResumed();
    this.#running ??= this.#run().catch((error) => this.#host.fail(error))
      .finally(() => this.#running = null);
  }

  /** Stops fetching a partition. What is still on its way is dropped. */
  remove(cursor: PartitionCursor): void {
    this.#session.remove(cursor);
    if (this.#session.size > 0) return;
    this.#awake.abort();
    this.#onResumed();
  }

  /** Fetches no more of a partition, until it is resumed. */
  hold(cursor: PartitionCursor): void {
    this.#session.hold(cursor);
  }

  /** Fetches more of a partition from the next round on. It begins at once if none is under way. */
  resume(cursor: PartitionCursor): void {
    this.#session.resume(cursor);
    this.#hasResumed = true;
    this.#onResumed();
  }

  /** The request for a partition may have changed. */
  touch(cursor: PartitionCursor): void {
    this.#session.touch(cursor);
  }

  /** Waits for the end of the round that is under way, once the host is closed. */
  async ended(): Promise<void> {
    this.#awake.abort();
    this.#onResumed();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#awake = new AbortController();
    while (this.#session.size > 0 && !this.#host.isClosed) {
      // The broker is not asked meanwhile.
      if (await this.#host.room() || await this.#anyResumed()) this.#loseSight();
      if (this.#session.size === 0 || this.#host.isClosed) break;
      try {
        const begun = performance.now();
        const empty = await this.#inTime(this.#round());
        await this.#pauseAfter(empty, begun + this.#settings.input.fetchWaitMs);
      } catch (error) {
        if (this.#host.isClosed) break;
        this.#session.reset();
        this.#loseSight();
        this.#connection.dropBroker(this.#nodeId);
        this.#host.failed(error, this.#session.cursors());
        await Promise.all([
          this.#host.looked(),
          this.#backoff.pause(error, Infinity, this.#awake.signal),
        ]);
      }
    }
    if (this.#host.isClosed) this.#backoff.giveUp();
    else this.#backoff.over(); // other brokers have the partitions, or the keeper waits
  }

  /**
   * Resolves with the round. While it takes longer than a broker may wait, nobody knows what the
   * partitions have.
   */
  async #inTime<R>(round: Promise<R>): Promise<R> {
    const timer = setTimeout(() => this.#loseSight(), this.#settings.input.fetchWaitMs + SILENT_MS);
    try {
      return await round;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves once a partition is not held. The value is whether it had to wait. */
  async #anyResumed(): Promise<boolean> {
    const isHeld = () => this.#session.size > 0 && this.#session.heldCount === this.#session.size;
    if (!isHeld() || this.#host.isClosed) return false;
    while (isHeld() && !this.#host.isClosed) {
      await new Promise<void>((resolve) => this.#onResumed = resolve);
    }
    return true;
  }

  /**
   * Waits if the broker answered without records sooner than asked to. Without a pause, it would be
   * asked over and over. If it claims records and sends none, waits as after an error.
   */
  async #pauseAfter(empty: Empty | null, until: number): Promise<void> {
    const early = until - performance.now();
    const { signal } = this.#awake;
    if (empty !== null && empty.error !== null && early > 0) {
      return await this.#backoff.pause(empty.error, until, signal);
    }
    this.#backoff.over();
    if (empty === null || early <= 0 || this.#hasResumed) return;
    const ms = Math.min(this.#settings.input.retryBackoffMs, early);
    if (this.#session.heldCount === 0) return await sleep(ms, signal);
    const resumed = new AbortController();
    this.#onResumed = () => resumed.abort();
    await sleep(ms, AbortSignal.any([signal, resumed.signal]));
  }

  #loseSight(): void {
    this.#inSight = false;
    this.#host.tellIdle();
  }

  /** Resolves to `null` if records came; otherwise to a description of the empty answer. */
  async #round(): Promise<Empty | null> {
    const { input } = this.#settings;
    const broker = await this.#connection.broker(this.#nodeId);
    if (!goesByIds(broker)) {
      await this.#host.fresh();
      if (this.#session.size === 0) return null;
    }
    // One that is held may be resumed soon, and a broker that waits would not know. One that has
    // been resumed may have nothing: that should be known soon.
    const isUrgent = this.#session.heldCount > 0 || this.#hasResumed;
    this.#hasResumed = false;
    const { asked, session, isFull } = this.#session.next(broker);
    const fetching = fetchInSession(broker, asked, {
      maxWaitMs: isUrgent ? 0 : input.fetchWaitMs,
      minBytes: input.fetchMinBytes,
      maxBytes: input.fetchMaxBytes,
      isolation: input.isolation,
    }, session);
    const answer = await this.#backoff.answerTo(fetching, input.fetchWaitMs);
    if (this.#session.isOver(answer.errorCode)) {
      this.#session.reset();
      return null;
    }
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
    this.#session.answered(answer.sessionId);
    if (answer.clientSideThrottleTime > 0 && answer.partitions.length === 0) {
      this.#loseSight(); // it has not even read its log
      return null;
    }
    const empty = this.#emptyOf(answer.partitions);
    await this.#take(answer.partitions, asked, isFull);
    this.#inSight = true;
    this.#answeredAt = performance.now();
    this.#host.tellIdle();
    return empty;
  }

  /** Returns `null` if a partition has records, or an error, which is handled elsewhere. */
  #emptyOf(answers: readonly FetchedPartition[]): Empty | null {
    if (answers.some(({ records, errorCode }) => records.length > 0 || errorCode !== 0)) {
      return null;
    }
    const isCommitted = this.#settings.input.isolation === "read_committed";
    for (const answer of answers) {
      const cursor = this.#session.asked(positionName(answer));
      const end = isCommitted
        ? Math.min(answer.lastStableOffset, answer.highWatermark)
        : answer.highWatermark;
      if (cursor === null || cursor.fetched >= end) continue;
      const what = `has records up to offset ${end}, and sends none from ${cursor.fetched} on`;
      return { error: impossibleAnswer("Fetch", cursor, what) };
    }
    return { error: null };
  }

  /**
   * Throws if the answer names no partition, as the broker would be asked again without a pause.
   */
  #requireAnAnswer(): void {
    for (const cursor of this.#session.cursors()) {
      if (this.#session.asked(cursor.name) !== null) throw missingAnswer("Fetch", cursor);
    }
  }

  /**
   * An answer to a request for all partitions names each of them. One that is left out has failed.
   */
  #handLeftOut(asked: readonly PartitionFetch[], answers: readonly FetchedPartition[]): void {
    const answered = new Set(answers.map(positionName));
    for (const each of asked) {
      const name = positionName(each);
      const cursor = answered.has(name) ? null : this.#session.asked(name);
      if (cursor === null) continue;
      this.#session.remove(cursor);
      this.#host.hand(cursor, missingAnswer("Fetch", cursor));
    }
  }

  async #take(
    answers: readonly FetchedPartition[],
    asked: readonly PartitionFetch[],
    isFull: boolean,
  ): Promise<void> {
    // Unpacking takes time, in which they may grow. Also, an answer may leave some out.
    if (isFull) { for (const cursor of this.#session.cursors()) cursor.doubt(); }
    const came = answers.flatMap((answer) => {
      const cursor = this.#session.asked(positionName(answer));
      return cursor === null ? [] : [{ answer, cursor }];
    });
    if (isFull && came.length === 0) this.#requireAnAnswer();
    else if (isFull) this.#handLeftOut(asked, answers);
    for (const { cursor } of came) cursor.doubt();
    for (const { answer, cursor } of came) {
      // Meanwhile it may have moved to another broker and back, and be at another offset.
      const isWanted = () => this.#session.asked(cursor.name) === cursor;
      if (!isWanted()) continue;
      if (answer.errorCode === 0) {
        await this.#host.take(answer, cursor, isWanted);
        this.#session.touch(cursor);
      } else {
        this.#session.remove(cursor);
        this.#host.hand(cursor, errorOfCode(answer.errorCode, "Fetch"));
      }
    }
  }
}
