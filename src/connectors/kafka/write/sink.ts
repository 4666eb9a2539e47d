/**
 * Writes records to a topic, and knows of each whether it has been acknowledged.
 *
 * Records wait in a queue for each partition. One *round* is on its way at a time: a batch from each
 * queue, in one request to each leader. A round is tried, with the same batches and sequence numbers,
 * until every one of its partitions has been acknowledged; only then does the next begin. So a lost
 * response, a broker that restarts or a leader that moves in the middle neither loses nor repeats nor
 * reorders anything: the broker knows a batch it has by its sequence number. (KafkaJS's own producer
 * skips, on retry, partitions of brokers that answered before a leader moved, and reuses sequence
 * numbers when sends overlap.)
 *
 * @module
 */
import { counted } from "../../../core/counted.ts";
import { isItemError } from "../../../core/errors.ts";
import type { OutputWriter, Place, Positions } from "../../../graph/contracts.ts";
import { AckRate } from "./ack_rate.ts";
import { errorKind, errorName, isFinalForWrites, messageOfKafka } from "../client/errors.ts";
import { KafkaConnection } from "../client/connection.ts";
import type { KafkaOutputItem } from "../output_item.ts";
import { initProducerId, type ProducerIdentity } from "../wire/init_producer_id.ts";
import { ACKS, type PartitionBatch, produce } from "../wire/produce.ts";
import { PartitionCount } from "./partition_count.ts";
import { partitionerOf } from "./partitioner.ts";
import { compressBatch, encodeRecordBatch } from "../wire/write_batch.ts";
import {
  type OutgoingRecord,
  type Partitioning,
  requireFields,
  toRecord,
  UnknownPartitionError,
} from "./to_record.ts";
import { type Refusal, refusedRecord, tooLargeRecord } from "./refused_record.ts";
import { requireCodec } from "../wire/request_versions.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import { limited } from "../client/concurrency.ts";
import { TopicDeletedError, TopicReplacedError } from "../client/topic_watch.ts";
import { unknownHostHint } from "../client/unreachable.ts";
import { WrittenTopic } from "./written_topic.ts";

/** So many waiting for one partition, and records without a key go to the next. */
const KEYLESS_RECORDS = 1_000;

/** How long a host that nobody knows may stay unknown before anything was written, in milliseconds. */
const UNKNOWN_HOST_MS = 10_000;

/** Sequence numbers wrap around here. */
const SEQUENCES = 2 ** 31;

/** A batch of one partition, as it is sent, again and again if need be. */
interface Batch {
  readonly firstSequence: number;
  readonly records: readonly OutgoingRecord[];
  /** What goes over the wire, once it has been made. */
  encoded?: Uint8Array;
}

/** The batches of each partition that have not been acknowledged, in the order they must be written. */
type Unacknowledged = Map<number, Batch[]>;

/** Connects, and makes sure that the topic is there. */
export async function openKafkaWriter(
  settings: KafkaOutputSettings,
  at: Place,
): Promise<OutputWriter<KafkaOutputItem>> {
  const { brokers, topic, output } = settings;
  const connection = new KafkaConnection(brokers, [topic], output, at);
  const written = new WrittenTopic(connection, topic, output.metadataMaxAgeMs);
  const partitions = new PartitionCount(connection, topic, output.metadataMaxAgeMs, at.log);
  try {
    await connection.open(async () => {
      await written.open();
      await partitions.open();
    });
    requireCodec(output.compression, (await connection.anyBroker()).versions);
    return new KafkaWriter(settings, { connection, written, partitions }, at);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class KafkaWriter implements OutputWriter<KafkaOutputItem> {
  readonly #settings: KafkaOutputSettings;
  readonly #connection: KafkaConnection;
  readonly #written: WrittenTopic;
  readonly #at: Place;
  readonly #queues = new Map<number, OutgoingRecord[]>(); // by partition, oldest first
  readonly #sequences = new Map<number, number>(); // the next one of each partition
  readonly #partitions: PartitionCount;
  readonly #partitionOf: Partitioning["partitionOf"];
  #keyless: number; // the partition that records without a key go to for now
  #identity: ProducerIdentity | null = null;
  #waitingBytes = 0; // in the queues and on the way
  #waitingRecords = 0;
  readonly #ackRate: AckRate;
  #sending = false;
  #sendingDone: Promise<void> = Promise.resolve();
  #confirming: Promise<void> = Promise.resolve();
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #retries = 0; // of the current round, in a row
  #hasAcknowledged = false;
  #unknownSince: number | null = null; // when a host was not known for the first time
  #failure: { error: unknown } | null = null;
  #closed = false;
  /** The run has failed elsewhere: whoever waits for room waits no longer. */
  readonly #onAbort = () => this.#fail(this.#at.signal.reason);
  #waiters: { bytes: number; records: number; done: PromiseWithResolvers<void> }[] = [];

  constructor(
    settings: KafkaOutputSettings,
    { connection, written, partitions }: {
      readonly connection: KafkaConnection;
      readonly written: WrittenTopic;
      readonly partitions: PartitionCount;
    },
    at: Place,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#written = written;
    this.#at = at;
    at.signal.addEventListener("abort", this.#onAbort);
    this.#partitions = partitions;
    this.#partitionOf = partitionerOf(settings.output.partitioner);
    const { batchBytes, queuedMaxBytes } = settings.output;
    this.#ackRate = new AckRate(batchBytes, queuedMaxBytes);
    this.#keyless = Math.floor(Math.random() * partitions.count);
    partitions.start();
  }

  write(batch: readonly KafkaOutputItem[]): void | Promise<void> {
    this.#throwFailure();
    const queued = this.#enqueue(batch);
    return queued < batch.length ? this.#writeOn(batch.slice(queued)) : this.#roomAhead();
  }

  /** The first record is for a partition that is not known: it may have been added just now. */
  async #writeOn(rest: readonly KafkaOutputItem[]): Promise<void> {
    try {
      const { signal } = this.#at;
      const ms = this.#settings.output.requestTimeoutMs;
      await limited(this.#partitions.refresh(), { ms, signal, cut: () => new Error("no answer") });
    } catch (error) {
      this.#at.log.debug(`kafka: partitions are not known anew: ${messageOfKafka(error)}`);
    }
    this.#throwFailure();
    this.#enqueue(rest.slice(0, 1), false);
    await this.write(rest.slice(1));
  }

  /** Puts records into the queues, up to one for a partition that is not known. Returns how many. */
  #enqueue(batch: readonly KafkaOutputItem[], mayAsk = true): number {
    const { topic } = this.#settings;
    const partitioning = {
      now: Date.now(),
      partitionOf: this.#partitionOf,
      count: this.#partitions.count,
      keyless: this.#keyless,
    } satisfies Partitioning;
    const largest = this.#settings.output.messageMaxBytes ?? Infinity;
    let queued = 0;
    try {
      if (batch.length > 0) requireFields(batch[0]);
      for (const item of batch) {
        const record = toRecord(item, topic, partitioning);
        if (record.bytes > largest) throw tooLargeRecord(record, topic);
        const queue = this.#queues.get(record.partition);
        if (queue === undefined) this.#queues.set(record.partition, [record]);
        else if (
          queue.push(record) >= KEYLESS_RECORDS && record.partition === partitioning.keyless
        ) {
          partitioning.keyless = this.#nextKeyless();
        }
        this.#waitingBytes += record.bytes;
        this.#waitingRecords++;
        queued++;
      }
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (!mayAsk || !(cause instanceof UnknownPartitionError)) throw error;
    }
    this.#schedule();
    return queued;
  }

  #roomAhead(): void | Promise<void> {
    const { queuedMaxRecords } = this.#settings.output;
    const { ahead } = this.#ackRate;
    if (this.#waitingBytes >= ahead || this.#waitingRecords >= queuedMaxRecords) {
      return this.#until(ahead / 2, queuedMaxRecords / 2);
    }
  }

  async prepare(): Promise<Positions> {
    this.#throwFailure();
    this.#flush();
    await this.#until(0, 0);
    await this.#confirm();
    return new Map();
  }

  waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#at.signal.removeEventListener("abort", this.#onAbort);
    clearTimeout(this.#lingering);
    this.#partitions.close();
    await this.#connection.close(); // first: it ends what a round may be waiting for
    await this.#sendingDone;
    await this.#confirming;
  }

  /**
   * Makes sure that what was acknowledged is still there: an epoch whose records went to a topic that has
   * been deleted since must not count. Waits no longer once the run has failed.
   */
  async #confirm(): Promise<void> {
    if (!this.#written.hasWritten) return;
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ bytes: -1, records: -1, done }); // a failure rejects it, nothing else
    this.#confirming = this.#askForTopic().then(done.resolve, done.reject);
    try {
      await done.promise;
    } finally {
      this.#waiters = this.#waiters.filter((waiter) => waiter.done !== done);
    }
  }

  async #askForTopic(): Promise<void> {
    const deadline = performance.now() + this.#settings.output.deliveryTimeoutMs;
    while (this.#written.hasWritten && this.#failure === null && !this.#closed) {
      this.#written.doubt();
      try {
        await this.#connection.answerTo(this.#written.check());
        this.#connection.succeeded();
        this.#retries = 0;
        this.#written.hasWritten = false;
      } catch (error) {
        await this.#recover(error, new Map(), deadline);
      }
    }
  }

  /** Sends at once, or when the linger time is over or a batch is full. */
  #schedule(): void {
    const { lingerMs, batchBytes } = this.#settings.output;
    if (this.#sending || this.#waitingRecords === 0) return;
    if (lingerMs === 0 || this.#waitingBytes >= batchBytes) this.#flush();
    else this.#lingering ??= setTimeout(() => this.#flush(), lingerMs);
  }

  #flush(): void {
    clearTimeout(this.#lingering);
    this.#lingering = undefined;
    if (this.#sending || this.#waitingRecords === 0) return;
    this.#sending = true;
    this.#sendingDone = this.#sendAll();
  }

  /** Sends round after round until the queues are empty. Never rejects. */
  async #sendAll(): Promise<void> {
    try {
      while (this.#waitingRecords > 0 && !this.#closed) {
        const round = this.#takeRound();
        const batches = [...round].map(([partition, [batch]]) => ({ partition, ...batch }));
        const begun = performance.now();
        await this.#deliver(round);
        this.#acknowledged(batches, performance.now() - begun);
      }
    } catch (error) {
      this.#fail(error);
    }
    // At once and not in a `then`: whoever was woken meanwhile may write, and must find us idle.
    this.#sending = false;
  }

  #acknowledged(batches: readonly (Batch & { partition: number })[], ms: number): void {
    if (this.#closed) return;
    this.#written.hasWritten = true;
    this.#hasAcknowledged = true;
    const before = this.#waitingBytes;
    for (const { partition, firstSequence, records } of batches) {
      this.#sequences.set(partition, (firstSequence + records.length) % SEQUENCES);
      for (const { bytes } of records) this.#waitingBytes -= bytes;
      this.#waitingRecords -= records.length;
    }
    this.#ackRate.acknowledged(before - this.#waitingBytes, ms);
    this.#wake();
  }

  /** A batch of each partition that has records. */
  #takeRound(): Unacknowledged {
    const { batchBytes, batchRecords } = this.#settings.output;
    const round: Unacknowledged = new Map();
    for (const [partition, queue] of this.#queues) {
      let count = 0;
      let bytes = 0;
      while (count < queue.length && count < batchRecords) {
        bytes += queue[count].bytes;
        if (count > 0 && bytes > batchBytes) break;
        count++;
      }
      const all = count === queue.length;
      if (all) this.#queues.delete(partition);
      const records = all ? queue : queue.splice(0, count);
      round.set(partition, [{ firstSequence: this.#sequences.get(partition) ?? 0, records }]);
    }
    this.#nextKeyless();
    return round;
  }

  #nextKeyless(): number {
    return this.#keyless = (this.#keyless + 1) % this.#partitions.count;
  }

  /** Tries a round until all of it has been acknowledged. */
  async #deliver(round: Unacknowledged): Promise<void> {
    const deadline = performance.now() + this.#settings.output.deliveryTimeoutMs;
    while (round.size > 0 && !this.#closed) {
      let problem: unknown;
      try {
        problem = await this.#connection.answerTo(this.#send(round));
      } catch (error) {
        problem = error;
      }
      if (problem === undefined) {
        this.#connection.succeeded();
        this.#retries = 0;
      } else await this.#recover(problem, round, deadline);
    }
  }

  /**
   * One request to each leader, with the first batch of each partition. What is acknowledged leaves the
   * round. Gives an error that may be over the next time, if there was one.
   */
  async #send(round: Unacknowledged): Promise<unknown> {
    await this.#written.check();
    const leaders = await this.#connection.leaders(this.#settings.topic);
    const identity = await this.#identify();
    const byLeader = Map.groupBy(round.keys(), (partition) => leaders.get(partition) ?? -1);
    const withoutLeader = byLeader.get(-1);
    byLeader.delete(-1); // the others need not wait
    const results = await Promise.allSettled(
      [...byLeader].map(async ([leader, partitions]) => {
        const batches = await Promise.all(partitions.map(async (partition) => ({
          partition,
          batch: await this.#encode(round.get(partition)![0], identity),
        })));
        return await this.#sendTo(leader, batches, round);
      }),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
    const problem = results.map((result) => (result as PromiseFulfilledResult<unknown>).value)
      .find((problem) => problem !== undefined);
    if (problem !== undefined || withoutLeader === undefined) return problem;
    return new Error(`partition ${withoutLeader[0]} has no leader at the moment`);
  }

  async #sendTo(
    leader: number,
    batches: readonly PartitionBatch[],
    round: Unacknowledged,
  ): Promise<unknown> {
    const { topic, output } = this.#settings;
    const broker = await this.#connection.broker(leader);
    requireCodec(output.compression, broker.versions); // it may be older than the one at the start
    const options = { topic, acks: ACKS[output.acks], timeoutMs: output.ackTimeoutMs };
    let problem: unknown;
    for (const { partition, error, refused } of await produce(broker, batches, options)) {
      // A sequence number that the broker has had: it was written before, and its answer lost.
      if (error === undefined || errorKind(error) === "alreadyWritten") {
        const batches = round.get(partition)!;
        batches.shift();
        if (batches.length === 0) round.delete(partition);
      } else if (errorKind(error) === "tooLarge") this.#halve(round.get(partition)!, error);
      else if (errorKind(error) === "recordRefused") {
        this.#isolate(round.get(partition)!, { topic, partition, error, refused });
      } else problem = error;
    }
    return problem;
  }

  async #encode(batch: Batch, identity: ProducerIdentity | null): Promise<Uint8Array> {
    if (batch.encoded !== undefined) return batch.encoded;
    const { compression, compressionLevel } = this.#settings.output;
    const plain = encodeRecordBatch(batch.records, {
      producerId: identity?.producerId ?? -1n,
      producerEpoch: identity?.producerEpoch ?? -1,
      baseSequence: identity === null ? -1 : batch.firstSequence,
    });
    return batch.encoded = compression === "none"
      ? plain
      : await compressBatch(plain, compression, compressionLevel);
  }

  /** The topic takes less than the first of these batches, and nothing of it has been written. */
  #halve(batches: Batch[], error: unknown): void {
    const { records } = batches[0];
    if (records.length === 1) throw tooLargeRecord(records[0], this.#settings.topic, error);
    split(batches);
  }

  /** Finds the record for which the topic refuses the first of these batches. */
  #isolate(batches: Batch[], refusal: Refusal): void {
    const error = refusedRecord(batches[0].records, refusal);
    if (error !== null) throw error;
    split(batches); // the broker does not say which one: halves show it
  }

  /** The id under which the broker knows our sequence numbers, where writes are idempotent. */
  async #identify(): Promise<ProducerIdentity | null> {
    if (!this.#settings.output.idempotent) return null;
    return this.#identity ??= await initProducerId(await this.#connection.anyBroker(), {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
    });
  }

  /** After an error: waits for the next try; or the end of the run. */
  async #recover(error: unknown, round: Unacknowledged, deadline: number): Promise<void> {
    if (this.#closed) return;
    if (isItemError(error)) throw error;
    if (error instanceof TopicReplacedError || error instanceof TopicDeletedError) throw error;
    this.#written.doubt();
    const { topic } = this.#settings;
    if (isFinalForWrites(error)) {
      const cure = CURES[errorName(error)];
      throw new Error(
        `cannot write to topic "${topic}": ${messageOfKafka(error)}${
          cure === undefined ? "" : `: ${cure}`
        }`,
        { cause: error },
      );
    }
    this.#requireKnownHost(error);
    const { deliveryTimeoutMs, maxRetries } = this.#settings.output;
    if (performance.now() >= deadline || ++this.#retries > maxRetries) {
      let records = 0;
      for (const batches of round.values()) {
        for (const batch of batches) records += batch.records.length;
      }
      const what = records > 0
        ? `topic "${topic}" has not acknowledged ${counted(records, "record")}`
        : `topic "${topic}", which has been written to, was not found again`;
      const why = errorKind(error) === "unknownTopic"
        ? "the brokers do not have the topic: was it deleted? If so, create it again, and start again"
        : messageOfKafka(error);
      throw new Error(
        `${what} within ${deliveryTimeoutMs / 1000} s and ` +
          `${counted(this.#retries, "try", "tries")}: ${why}`,
        { cause: error },
      );
    }
    this.#connection.drop();
    await this.#connection.pause(error);
  }

  /** Where the cluster has named a host that is not known, as long as nothing was written. */
  #requireKnownHost(error: unknown): void {
    const { brokers, topic } = this.#settings;
    const hint = unknownHostHint(error, brokers);
    if (hint === null || this.#hasAcknowledged) {
      this.#unknownSince = null;
      return;
    }
    const now = performance.now();
    this.#unknownSince ??= now;
    if (now - this.#unknownSince < UNKNOWN_HOST_MS) return;
    throw new Error(
      `cannot write to topic "${topic}" by way of ${brokers.join(", ")}: ` +
        `${messageOfKafka(error)} (${hint})`,
      { cause: error },
    );
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#at.fail(error);
    this.#wake();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Resolves when no more than so many bytes and records wait. */
  #until(bytes: number, records: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ bytes, records, done });
    this.#wake();
    return done.promise;
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ bytes, records, done }) => {
      if (this.#failure !== null) done.reject(this.#failure.error);
      else if (this.#waitingBytes > bytes || this.#waitingRecords > records) return true;
      else done.resolve();
      return false;
    });
  }
}

/** Makes two batches of the first one. */
function split(batches: Batch[]): void {
  const { firstSequence, records } = batches[0];
  const half = records.length >> 1;
  batches.splice(
    0,
    1,
    { firstSequence, records: records.slice(0, half) },
    { firstSequence: (firstSequence + half) % SEQUENCES, records: records.slice(half) },
  );
}

/** What to do about some errors. */
const CURES: Readonly<Partial<Record<string, string>>> = {
  UNSUPPORTED_FOR_MESSAGE_FORMAT:
    `the topic is kept in a format before Kafka 0.11 (its message.format.version): raise that, or set ` +
    `"enable.idempotence" to false and write no headers`,
};
