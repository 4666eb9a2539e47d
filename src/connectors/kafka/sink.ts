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
import { ItemError } from "../../core/errors.ts";
import type { OutputWriter, Place, Positions } from "../../graph/contracts.ts";
import { isFatal, KafkaConnection, kindOf, messageOfKafka } from "./connection.ts";
import type { KafkaOutputItem } from "./output_item.ts";
import { ACKS, COMPRESSION, type ProducerIdentity } from "./kafkajs.ts";
import { type OutgoingRecord, type Partitioning, toRecord } from "./records.ts";
import type { KafkaOutputSettings } from "./settings.ts";

/** The most bytes of a batch of several records: below what brokers take by default (1 MiB). */
const BATCH_BYTES = 900_000;

/** The most records of a batch. */
const BATCH_RECORDS = 10_000;

/** So many waiting for one partition, and records without a key go to the next. */
const KEYLESS_RECORDS = 1_000;

/** Bytes that may wait before the flow is pushed back. */
const MOST_WAITING_BYTES = 16 << 20;

/** How long a round may take, with all its tries, before the run fails. */
const DELIVERY_MS = 120_000;

/** How long the broker may wait for the replicas. */
const ACK_MS = 30_000;

/** Sequence numbers wrap around here. */
const SEQUENCES = 2 ** 31;

/** A batch of one partition, as it is sent, again and again if need be. */
interface Batch {
  readonly partition: number;
  readonly firstSequence: number;
  readonly records: readonly OutgoingRecord[];
}

/** Connects, and makes sure that the topic is there. */
export async function openKafkaWriter(
  settings: KafkaOutputSettings,
  at: Place,
): Promise<OutputWriter<KafkaOutputItem>> {
  const { brokers, topic, output } = settings;
  const connection = new KafkaConnection(brokers, topic, output, at);
  try {
    await connection.open();
    const count = (await connection.leaders()).size;
    return new KafkaWriter(settings, connection, count, at);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class KafkaWriter implements OutputWriter<KafkaOutputItem> {
  readonly #settings: KafkaOutputSettings;
  readonly #connection: KafkaConnection;
  readonly #at: Place;
  readonly #queues = new Map<number, OutgoingRecord[]>(); // by partition, oldest first
  readonly #sequences = new Map<number, number>(); // the next one of each partition
  readonly #partitioning: { count: number; keyless: number };
  #identity: ProducerIdentity | null = null;
  #waitingBytes = 0; // in the queues and on the way
  #waitingRecords = 0;
  #sending = false;
  #sendingDone: Promise<void> = Promise.resolve();
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #failure: { error: unknown } | null = null;
  #closed = false;
  #waiters: { below: number; done: PromiseWithResolvers<void> }[] = [];

  constructor(
    settings: KafkaOutputSettings,
    connection: KafkaConnection,
    partitions: number,
    at: Place,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#at = at;
    at.signal.addEventListener("abort", () => this.#fail(at.signal.reason), { once: true });
    this.#partitioning = { count: partitions, keyless: Math.floor(Math.random() * partitions) };
  }

  write(batch: readonly KafkaOutputItem[]): void | Promise<void> {
    this.#throwFailure();
    const { topic } = this.#settings;
    const partitioning: Partitioning = this.#partitioning;
    for (const item of batch) {
      const record = toRecord(item, topic, partitioning);
      const queue = this.#queues.get(record.partition);
      if (queue === undefined) this.#queues.set(record.partition, [record]);
      else if (queue.push(record) >= KEYLESS_RECORDS && record.partition === partitioning.keyless) {
        this.#nextKeyless();
      }
      this.#waitingBytes += record.bytes;
      this.#waitingRecords++;
    }
    this.#schedule();
    if (this.#waitingBytes >= MOST_WAITING_BYTES) return this.#until(MOST_WAITING_BYTES >> 1);
  }

  async prepare(): Promise<Positions> {
    this.#throwFailure();
    this.#flush();
    await this.#until(0);
    return new Map();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#lingering);
    await this.#connection.close(); // first: it ends what a round may be waiting for
    await this.#sendingDone;
  }

  /** Sends at once, or when the linger time is over or a batch is full. */
  #schedule(): void {
    const { lingerMs } = this.#settings.output;
    if (this.#sending || this.#waitingRecords === 0) return;
    if (lingerMs === 0 || this.#waitingBytes >= BATCH_BYTES) this.#flush();
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
        await this.#deliver(round);
        this.#acknowledged(round);
      }
    } catch (error) {
      this.#fail(error);
    }
    // At once and not in a `then`: whoever was woken meanwhile may write, and must find us idle.
    this.#sending = false;
  }

  #acknowledged(round: readonly Batch[]): void {
    if (this.#closed) return;
    for (const { partition, firstSequence, records } of round) {
      this.#sequences.set(partition, (firstSequence + records.length) % SEQUENCES);
      for (const { bytes } of records) this.#waitingBytes -= bytes;
      this.#waitingRecords -= records.length;
    }
    this.#wake();
  }

  /** A batch of each partition that has records. */
  #takeRound(): Batch[] {
    const round: Batch[] = [];
    for (const [partition, queue] of this.#queues) {
      let count = 0;
      let bytes = 0;
      while (count < queue.length && count < BATCH_RECORDS) {
        bytes += queue[count].bytes;
        if (count > 0 && bytes > BATCH_BYTES) break;
        count++;
      }
      if (count === queue.length) this.#queues.delete(partition);
      const records = count === queue.length ? queue : queue.splice(0, count);
      round.push({ partition, firstSequence: this.#sequences.get(partition) ?? 0, records });
    }
    this.#nextKeyless();
    return round;
  }

  #nextKeyless(): void {
    const { keyless, count } = this.#partitioning;
    this.#partitioning.keyless = (keyless + 1) % count;
  }

  /** Tries a round until all of it has been acknowledged. */
  async #deliver(round: Batch[]): Promise<void> {
    const deadline = performance.now() + DELIVERY_MS;
    const missing = new Map(round.map((batch) => [batch.partition, batch]));
    while (missing.size > 0 && !this.#closed) {
      try {
        await this.#send(missing);
        this.#connection.succeeded();
      } catch (error) {
        await this.#recover(error, missing, deadline);
      }
    }
  }

  /** A request to each leader. Partitions that were acknowledged are missing no more. */
  async #send(missing: Map<number, Batch>): Promise<void> {
    const leaders = await this.#connection.leaders();
    const identity = await this.#identify();
    const byLeader = Map.groupBy(missing.values(), ({ partition }) => {
      const leader = leaders.get(partition);
      if (leader === undefined || leader < 0) {
        throw new Error(`partition ${partition} has no leader at the moment`);
      }
      return leader;
    });
    // Without sequence numbers, what has arrived must not go again because of another batch's error:
    // then each has a request of its own.
    const requests = [...byLeader].flatMap(([leader, batches]) =>
      (identity === null ? batches.map((batch) => [batch]) : [batches])
        .map((together) => this.#sendTo(leader, together, identity, missing))
    );
    const results = await Promise.allSettled(requests);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #sendTo(
    leader: number,
    batches: readonly Batch[],
    identity: ProducerIdentity | null,
    missing: Map<number, Batch>,
  ): Promise<void> {
    const { topic, output } = this.#settings;
    const broker = await this.#connection.broker(leader);
    const request = {
      acks: ACKS[output.acks],
      timeout: ACK_MS,
      compression: COMPRESSION[output.compression],
      ...identity,
      topicData: [{
        topic,
        partitions: batches.map(({ partition, firstSequence, records }) => ({
          partition,
          firstSequence,
          messages: records.map(({ message }) => message),
        })),
      }],
    };
    // KafkaJS declares the producer's id as a number; it is a 64-bit one, which it keeps as text.
    const { topics }: ProduceResponse = await broker.produce(
      request as unknown as Parameters<typeof broker.produce>[0],
    );
    for (const { partitions } of topics) {
      for (const { partition, errorCode } of partitions) {
        if (errorCode === 0) missing.delete(partition);
      }
    }
  }

  /** The id under which the broker knows our sequence numbers; none where not all replicas answer. */
  async #identify(): Promise<ProducerIdentity | null> {
    if (this.#settings.output.acks !== "all") return null;
    if (this.#identity === null) {
      const broker = await this.#connection.anyBroker();
      const { producerId, producerEpoch } = await broker.initProducerId({
        transactionTimeout: 60_000,
      });
      this.#identity = { producerId, producerEpoch };
    }
    return this.#identity;
  }

  /** After an error: splits what is too large, or waits for the next try; or the end of the run. */
  async #recover(error: unknown, missing: Map<number, Batch>, deadline: number): Promise<void> {
    if (this.#closed) return;
    const { topic } = this.#settings;
    const kind = kindOf(error);
    if (NEEDS_PARTS.has(kind)) return await this.#deliverSingly(missing, deadline);
    if (isFatal(error) || NEVER_AGAIN.has(kind)) {
      throw new Error(`cannot write to topic "${topic}": ${messageOfKafka(error)}`, {
        cause: error,
      });
    }
    if (performance.now() >= deadline) {
      const records = [...missing.values()].reduce((sum, { records }) => sum + records.length, 0);
      throw new Error(
        `${records} records for topic "${topic}" were not acknowledged within ` +
          `${DELIVERY_MS / 1000} s: ${messageOfKafka(error)}`,
        { cause: error },
      );
    }
    await this.#connection.drop();
    await this.#connection.pause(error);
  }

  /**
   * Something is wrong with one partition's batch, and the broker's answer, as KafkaJS passes it on,
   * does not say which: each is sent by itself. What the broker has already is not written again.
   */
  async #deliverSingly(missing: Map<number, Batch>, deadline: number): Promise<void> {
    for (const batch of [...missing.values()]) {
      await this.#deliverAlone(batch, deadline);
      missing.delete(batch.partition);
    }
  }

  /** One batch; if the topic takes less, in halves, down to the record that is too large by itself. */
  async #deliverAlone(batch: Batch, deadline: number): Promise<void> {
    const { partition, firstSequence, records } = batch;
    const alone = new Map([[partition, batch]]);
    while (alone.size > 0 && !this.#closed) {
      try {
        await this.#send(alone);
      } catch (error) {
        const kind = kindOf(error);
        if (kind === "DUPLICATE_SEQUENCE_NUMBER") return; // the broker has had it before
        if (!NEEDS_PARTS.has(kind)) await this.#recover(error, alone, deadline);
        else if (records.length === 1) throw this.#tooLarge(records[0], error);
        else {
          const half = records.length >> 1;
          await this.#deliverAlone({ ...batch, records: records.slice(0, half) }, deadline);
          const second = (firstSequence + half) % SEQUENCES;
          return await this.#deliverAlone(
            { partition, firstSequence: second, records: records.slice(half) },
            deadline,
          );
        }
      }
    }
  }

  #tooLarge({ item, bytes, message }: OutgoingRecord, cause: unknown): ItemError {
    const { topic } = this.#settings;
    const size = message.value === null ? bytes : message.value.length;
    const error = new Error(
      `a record with a payload of ${size} bytes is larger than topic "${topic}" takes: raise its ` +
        `max.message.bytes, or make the record smaller`,
      { cause },
    );
    return new ItemError(item, { cause: error });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#at.fail(error);
    this.#wake();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Resolves when at most `below` bytes wait. */
  #until(below: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ below, done });
    this.#wake();
    return done.promise;
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ below, done }) => {
      if (this.#failure !== null) done.reject(this.#failure.error);
      else if (this.#waitingBytes > below) return true;
      else done.resolve();
      return false;
    });
  }
}

/** What `Broker.produce` resolves with. */
interface ProduceResponse {
  readonly topics: readonly {
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

/** Errors of one batch, after which each is sent by itself. */
const NEEDS_PARTS: ReadonlySet<string> = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "DUPLICATE_SEQUENCE_NUMBER",
]);

/** Errors after which the sequence of records is broken: going on could lose or repeat some. */
const NEVER_AGAIN: ReadonlySet<string> = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
  "CORRUPT_MESSAGE",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
]);
