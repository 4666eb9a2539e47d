/**
 * Reads partitions of shuffle topics: those of all tasks of a process, over one connection to each
 * broker.
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import type { ShuffleReader, ShuffleRecord } from "../../group/log.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind, isFatal, messageOfKafka } from "../kafka/client/errors.ts";
import { FetchedBatches } from "../kafka/read/fetched_batches.ts";
import { PartitionCursor } from "../kafka/read/partition_cursor.ts";
import { committedBatches } from "../kafka/read/transactions.ts";
import { WaitingBatch } from "../kafka/read/waiting_batch.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import { type FetchedPartition, fetchInSession } from "../kafka/wire/fetch.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { TaskLogError, toBeginAgain, unreadableRecord } from "./task_log_error.ts";

/**
 * How long a broker may wait for records, in milliseconds. It answers as soon as there are any. A
 * partition that is new to this process waits as long, unless something comes.
 */
const WAIT_MS = 500;

/** How long it may wait while a partition is not asked for, which may have room again soon. */
const SHORT_WAIT_MS = 50;

/** The most bytes of one answer, and of one partition in it. */
const ANSWER_BYTES = 16 << 20;
const PARTITION_BYTES = 1 << 20;

/** How many bytes of a partition may wait for its task. It is not asked for more meanwhile. */
const WAITING_BYTES = 2 << 20;

/** How brokers are asked without a session: all partitions in each request. */
const NO_SESSION = { id: 0, epoch: -1, forgotten: [] };

/** Fetches for all readers of a process. */
export class ShuffleFetcher {
  readonly #app: string;
  readonly #connection: KafkaConnection;
  readonly #topicIds: ReadonlyMap<string, string | null>;
  readonly #signal: AbortSignal;
  readonly #partitions = new Set<ShufflePartition>();
  readonly #batches = new FetchedBatches(true);
  readonly #loops = new Map<number, Promise<void>>(); // by the number of the broker
  #isClosed = false;

  /**
   * Fetches nothing yet.
   *
   * @param app The app that the topics are of, for messages.
   * @param connection Knows the topics, and is for nothing else: a broker may take its time.
   * @param topicIds The ids that the topics had at the start; `null` if the broker has none.
   */
  constructor(
    app: string,
    connection: KafkaConnection,
    topicIds: ReadonlyMap<string, string | null>,
    signal: AbortSignal,
  ) {
    this.#app = app;
    this.#connection = connection;
    this.#topicIds = topicIds;
    this.#signal = signal;
  }

  /** Reads a partition from an offset on; `null` for its beginning. */
  read(of: TopicPartition, from: bigint | null): ShuffleReader {
    const partition = new ShufflePartition(of, {
      app: this.#app,
      from: from === null ? null : Number(from),
      topicId: this.#topicIds.get(of.topic) ?? null,
      roomChanged: () => this.#begin(partition),
      closed: () => this.#partitions.delete(partition),
    });
    this.#partitions.add(partition);
    this.#begin(partition);
    return partition;
  }

  /** Ends all loops. The connection has to be closed first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const partition of this.#partitions) partition.close();
    await Promise.all(this.#loops.values());
  }

  /** Looks for the leader of a partition, if nobody fetches it or looks for it already. */
  #begin(partition: ShufflePartition): void {
    if (this.#isClosed || partition.isLed) return;
    partition.isLed = true;
    void this.#lead(partition);
  }

  async #lead(partition: ShufflePartition): Promise<void> {
    const backoff = this.#connection.backoff();
    while (!this.#isOver && this.#partitions.has(partition)) {
      try {
        if (partition.isDoubtful) await this.#requireSame(partition);
        await this.#locate(partition);
        const leader = (await this.#connection.leaders(partition.of.topic))
          .get(partition.of.partition) ?? -1;
        if (leader < 0) throw new Error(`${positionName(partition.of)} has no leader now`);
        backoff.over();
        partition.cursor!.assign(leader);
        if (!this.#loops.has(leader)) {
          const loop = this.#loop(leader).finally(() => {
            if (this.#loops.get(leader) === loop) this.#loops.delete(leader);
            this.#resume(leader);
          });
          this.#loops.set(leader, loop);
        }
        return;
      } catch (error) {
        if (this.#isOver) return;
        if (isFatal(error) || error instanceof TaskLogError) return partition.fail(error);
        this.#connection.drop();
        await backoff.pause(error);
      }
    }
    backoff.giveUp();
  }

  /** Partitions that came to a loop as it ended get another. */
  #resume(leader: number): void {
    for (const partition of this.#partitions) {
      if (partition.cursor?.broker !== leader) continue;
      this.#giveBack(partition);
      if (partition.hasRoom) this.#begin(partition);
    }
  }

  /** Makes sure that the topic is the one that it was at the start. */
  async #requireSame(partition: ShufflePartition): Promise<void> {
    const { topics } = await this.#connection.metadata();
    const found = topics.find(({ topic }) => topic === partition.of.topic);
    partition.isDoubtful = false;
    if (found === undefined || found.errorCode !== 0 || found.topicId === null) return;
    if (partition.topicId !== null && found.topicId !== partition.topicId) {
      throw partition.isReplaced();
    }
  }

  /** Finds out where a partition begins, and where to read on. */
  async #locate(partition: ShufflePartition): Promise<void> {
    if (partition.cursor !== null) return;
    const first = (await this.#connection.offsets([partition.of], "first"))
      .get(positionName(partition.of))!;
    partition.start(first);
  }

  #giveBack(partition: ShufflePartition): void {
    partition.cursor!.release();
    partition.isLed = false;
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#signal.aborted;
  }

  /** Fetches from a broker, as long as it leads a partition that has room. */
  async #loop(leader: number): Promise<void> {
    const backoff = this.#connection.backoff();
    while (!this.#isOver) {
      const led = [...this.#partitions].filter(({ cursor, hasRoom }) =>
        cursor?.broker === leader && hasRoom
      );
      if (led.length === 0) break;
      try {
        await this.#fetch(leader, led);
        backoff.over();
      } catch (error) {
        if (this.#isOver) break;
        for (const partition of led) {
          if (isFatal(error)) partition.fail(error);
          else this.#giveBack(partition);
        }
        if (isFatal(error)) break;
        this.#connection.dropBroker(leader);
        await backoff.pause(error);
        for (const partition of led) this.#begin(partition);
        break;
      }
    }
    backoff.giveUp();
  }

  async #fetch(leader: number, led: readonly ShufflePartition[]): Promise<void> {
    const broker = await this.#connection.broker(leader);
    const asked = led.map(({ cursor, of, topicId }) => ({
      ...of,
      topicId,
      offset: cursor!.fetched,
      maxBytes: cursor!.maxBytes,
    }));
    const session = { ...NO_SESSION, topics: asked };
    const ofLeader = [...this.#partitions].filter(({ cursor }) => cursor?.broker === leader);
    const maxWaitMs = ofLeader.length > led.length ? SHORT_WAIT_MS : WAIT_MS;
    const options = {
      maxWaitMs,
      minBytes: 1,
      maxBytes: ANSWER_BYTES,
      isolation: "read_committed",
    } as const;
    const began = performance.now();
    const answer = await fetchInSession(broker, asked, options, session);
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
    let hasAny = false;
    for (const partition of led) {
      const fetched = answer.partitions.find((each) =>
        each.topic === partition.of.topic && each.partition === partition.of.partition
      );
      if (fetched === undefined || partition.cursor!.broker !== leader) continue;
      hasAny ||= fetched.records.length > 0;
      this.#take(partition, fetched);
    }
    // A broker that does not wait, or throttles, would be asked all the time.
    const early = maxWaitMs - (performance.now() - began);
    if (!hasAny && early > 0) await sleep(early, this.#signal);
  }

  #take(partition: ShufflePartition, fetched: FetchedPartition): void {
    if (fetched.errorCode !== 0) {
      const error = errorOfCode(fetched.errorCode, "Fetch");
      const final = partition.explain(error);
      if (final !== null) return partition.fail(final);
      partition.isDoubtful = true;
      this.#giveBack(partition);
      this.#connection.drop();
      this.#begin(partition);
      return;
    }
    try {
      partition.take(fetched, this.#batches);
    } catch (error) {
      partition.fail(error);
    }
  }
}

/** A promise for the next records. If it is rejected, the next caller of `ready` is told. */
function pendingArrival(): PromiseWithResolvers<void> {
  const arrival = Promise.withResolvers<void>();
  arrival.promise.catch(() => {});
  return arrival;
}

/** What a partition needs of the fetcher. */
interface PartitionHost {
  /** The app that its topic is of. */
  readonly app: string;
  /** Where to begin; `null` for the first record. */
  readonly from: number | null;
  readonly topicId: string | null;
  /** There is room again. */
  readonly roomChanged: () => void;
  readonly closed: () => void;
}

/** One partition, as its task reads it. */
class ShufflePartition implements ShuffleReader {
  readonly of: TopicPartition;
  readonly topicId: string | null;
  /** `null` until it is known where the partition begins. */
  cursor: PartitionCursor | null = null;
  /** Whether a broker is asked, or its leader is looked for. */
  isLed = false;
  /** Whether its topic may be another one by now. */
  isDoubtful = false;
  readonly #host: PartitionHost;
  #records: ShuffleRecord[] = [];
  #at = 0; // the next one of `#records`
  #bytes = 0;
  #end = -1; // where the partition ended at the last answer
  #handedOut = -1;
  #failure: { readonly error: unknown } | null = null;
  #isClosed = false;
  #arrival = pendingArrival();

  constructor(of: TopicPartition, host: PartitionHost) {
    this.of = of;
    this.topicId = host.topicId;
    this.#host = host;
  }

  get hasRoom(): boolean {
    return this.#bytes < WAITING_BYTES && this.#failure === null;
  }

  /** It is known where the partition begins. */
  start(first: number): void {
    const start = this.#host.from ?? first;
    if (start < first) throw this.#isGone(first);
    this.#handedOut = start;
    this.cursor = new PartitionCursor({
      ...this.of,
      topicId: this.topicId,
      start,
      end: null,
      maxBytes: PARTITION_BYTES,
    });
  }

  /** Keeps an answer. */
  take(fetched: FetchedPartition, batchesOf: FetchedBatches): void {
    const cursor = this.cursor!;
    const batches = batchesOf.of(fetched, cursor);
    const last = batches.at(-1);
    if (last !== undefined) {
      const from = cursor.fetched;
      for (const batch of committedBatches(batches, fetched.aborted)) {
        for (const records of new WaitingBatch(batch).read(false)) {
          while (!records.done) {
            const { offset, value } = records.read();
            if (offset < from || value === null) continue;
            this.#records.push({ next: BigInt(offset) + 1n, bytes: value });
            this.#bytes += value.length;
          }
        }
      }
      cursor.took(from, last.lastOffset + 1);
      cursor.finish();
    }
    this.#end = fetched.highWatermark;
    if (last !== undefined && this.#at < this.#records.length) this.#wake();
  }

  /** Returns the error if another attempt would not help; else `null`. */
  explain(error: Error): unknown {
    const kind = errorKind(error);
    if (kind === "offsetOutOfRange") return this.#isGone(null);
    return isFatal(error) ? error : null;
  }

  fail(error: unknown): void {
    this.#failure ??= {
      error: error instanceof TaskLogError ? error : new TaskLogError(
        `topic "${this.of.topic}", partition ${this.of.partition} cannot be read: ` +
          messageOfKafka(error),
        { cause: error },
      ),
    };
    this.#arrival.reject(this.#failure.error);
    this.#arrival = pendingArrival(); // the last one may have been resolved
    this.#arrival.reject(this.#failure.error);
  }

  next(): ShuffleRecord | null {
    if (this.#at >= this.#records.length) return null;
    const record = this.#records[this.#at++];
    this.#handedOut = Number(record.next);
    const hadRoom = this.hasRoom;
    this.#bytes -= record.bytes.length;
    if (this.#at === this.#records.length) {
      this.#records = [];
      this.#at = 0;
      if (this.#failure === null && !this.#isClosed) {
        this.#arrival = pendingArrival();
      }
    }
    if (!hadRoom && this.hasRoom) this.#host.roomChanged();
    return record;
  }

  ready(): Promise<void> {
    return this.#at < this.#records.length ? Promise.resolve() : this.#arrival.promise;
  }

  get isCurrent(): boolean {
    return this.#at === this.#records.length && this.cursor !== null && this.#end >= 0 &&
      this.cursor.fetched >= this.#end;
  }

  get lag(): number {
    if (this.#end < 0) return 0;
    if (this.#at === this.#records.length) return Math.max(0, this.#end - this.cursor!.fetched);
    return Math.max(0, this.#end - this.#handedOut);
  }

  unreadable({ next }: ShuffleRecord, cause: Error): Error {
    return unreadableRecord(this.#host.app, this.of, next - 1n, cause);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.closed();
    this.#wake();
  }

  #wake(): void {
    this.#arrival.resolve();
  }

  #isGone(first: number | null): TaskLogError {
    const { topic, partition } = this.of;
    return new TaskLogError(
      `topic "${topic}", partition ${partition} has lost records that have not been read` +
        (first === null
          ? ""
          : `: it begins at offset ${first}, and reading goes on at ${this.#host.from}`) +
        ". Were they deleted, or is retention.ms of the topic not -1? What they had is lost: " +
        toBeginAgain(this.#host.app),
    );
  }

  /** Its topic is another one. */
  isReplaced(): TaskLogError {
    return new TaskLogError(
      `topic "${this.of.topic}" was deleted and created again while the group runs: what it had is ` +
        `lost: ${toBeginAgain(this.#host.app)}`,
    );
  }
}
