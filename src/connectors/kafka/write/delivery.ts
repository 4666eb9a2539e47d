/**
 * Delivers records. It retries a round until all of it has been acknowledged, and decides after
 * each error whether that may still succeed. The session decides whose records they are: they may
 * be part of a transaction.
 *
 * @module
 */
import { counted } from "../../../core/counted.ts";
import { isItemError } from "../../../core/errors.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { errorKind, errorName, isFinalForWrites, messageOfKafka } from "../client/errors.ts";
import { TopicDeletedError } from "../client/deleted_topic.ts";
import { TopicReplacedError } from "../client/topic_watch.ts";
import { unknownHostHint } from "../client/unreachable.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import { refusedTransaction } from "../transactions/refused.ts";
import type { ProducerIdentity } from "../wire/init_producer_id.ts";
import { ACKS } from "../wire/produce.ts";
import { requireCodec } from "../wire/request_versions.ts";
import { sequenceAfter } from "../wire/sequence_numbers.ts";
import { compressBatch } from "../wire/write_batch.ts";
import type { OutgoingBatch } from "./outgoing_batch.ts";
import { produceRound, type RefusedBatch } from "./produce_round.ts";
import type { ProducerSession } from "./producer_session.ts";
import { refusedRecord, tooLargeRecord } from "./refused_record.ts";
import type { WrittenTopic } from "./written_topic.ts";

/** How long a host may stay unknown before anything was written, in milliseconds. */
const UNKNOWN_HOST_MS = 10_000;

/** What to do about single errors. */
const CURES: Readonly<Partial<Record<string, string>>> = {
  UNSUPPORTED_FOR_MESSAGE_FORMAT:
    `the topic is stored in a format before Kafka 0.11 (its message.format.version): raise that, or set ` +
    `"enable.idempotence" to false and write no headers`,
};

/** A batch with its sequence number. It keeps its bytes in case it is sent again. */
interface Batch {
  readonly firstSequence: number;
  readonly records: OutgoingBatch;
  /** What is sent, once it has been encoded. */
  encoded?: Uint8Array;
}

/** The batches of each partition that are not acknowledged yet, in the order of writing. */
type Unacknowledged = Map<number, Batch[]>;

/** Delivers records to one topic, one round after the other. */
export class Delivery {
  readonly #settings: KafkaOutputSettings;
  readonly #connection: KafkaConnection;
  readonly #written: WrittenTopic;
  readonly #session: ProducerSession;
  #retries = 0; // in a row
  #hasAcknowledged = false;
  #unknownSince: number | null = null; // when a host was first unknown
  #closed = false;

  /** Records are written as those of the session's producer. */
  constructor(
    settings: KafkaOutputSettings,
    { connection, written, session }: {
      readonly connection: KafkaConnection;
      readonly written: WrittenTopic;
      readonly session: ProducerSession;
    },
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#written = written;
    this.#session = session;
  }

  /** Delivers no more. What is under way is not tried again. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Retries a round until all of it has been acknowledged. One call at a time.
   *
   * @throws {ItemError} If the topic does not accept a record.
   * @throws {Error} If it cannot be delivered, or not in time.
   */
  async deliver(records: ReadonlyMap<number, OutgoingBatch>): Promise<void> {
    const { sequences } = this.#session;
    const round: Unacknowledged = new Map();
    for (const [partition, each] of records) {
      round.set(partition, [{ firstSequence: sequences.next(partition), records: each }]);
    }
    const deadline = performance.now() + this.#settings.output.deliveryTimeoutMs;
    while (round.size > 0 && !this.#closed) {
      try {
        await this.#connection.answerTo(this.#send(round));
        this.#succeeded();
      } catch (error) {
        await this.#recover(error, round, deadline);
      }
    }
    if (this.#closed) return;
    this.#written.hasWritten = true;
    this.#hasAcknowledged = true;
    for (const [partition, each] of records) sequences.advance(partition, each.count);
  }

  /**
   * Makes sure that the topic still exists after something was written to it, as long as
   * `isWanted`.
   *
   * @throws {Error} If it is another topic, or brokers do not answer in time.
   */
  async confirm(isWanted: () => boolean): Promise<void> {
    const deadline = performance.now() + this.#settings.output.deliveryTimeoutMs;
    while (this.#written.hasWritten && isWanted() && !this.#closed) {
      this.#written.doubt();
      try {
        await this.#connection.answerTo(this.#written.check());
        this.#succeeded();
        this.#written.hasWritten = false;
      } catch (error) {
        await this.#recover(error, new Map(), deadline);
      }
    }
  }

  #succeeded(): void {
    this.#connection.succeeded();
    this.#retries = 0;
  }

  /** Sends the first batch of each partition. Acknowledged batches leave the round. */
  async #send(round: Unacknowledged): Promise<void> {
    await this.#written.check();
    const { topic, output } = this.#settings;
    const partitions = [...round.keys()];
    const identity = await this.#session.writesTo(partitions);
    const { transactionalId } = this.#session;
    await produceRound(this.#connection, partitions, {
      topic,
      ...transactionalId === undefined ? {} : { transactionalId },
      acks: ACKS[output.acks],
      timeoutMs: output.ackTimeoutMs,
      // It may be older than the broker that was asked at the start.
      requireBroker: ({ versions }) => requireCodec(output.compression, versions),
      batchOf: (partition) => this.#encode(round.get(partition)![0], identity),
      written: (partition) => {
        const batches = round.get(partition)!;
        batches.shift();
        if (batches.length === 0) round.delete(partition);
      },
      refused: (refusal) => this.#divide(round.get(refusal.partition)!, refusal),
    });
  }

  async #encode(batch: Batch, identity: ProducerIdentity | null): Promise<Uint8Array> {
    if (batch.encoded !== undefined) return batch.encoded;
    const { compression, compressionLevel } = this.#settings.output;
    const plain = batch.records.encode({
      producerId: identity?.producerId ?? -1n,
      producerEpoch: identity?.producerEpoch ?? -1,
      baseSequence: identity === null ? -1 : batch.firstSequence,
      transactional: this.#session.transactionalId !== undefined,
    });
    return batch.encoded = compression === "none"
      ? plain
      : await compressBatch(plain, compression, compressionLevel);
  }

  /**
   * Divides the first of these batches if it is too large for the topic. Also if it has a record
   * that the broker refuses without naming it. None of it has been written.
   *
   * @returns Whether it was divided; `false` for any other refusal.
   * @throws {ItemError} If it is known which record is to blame.
   */
  #divide(batches: Batch[], { partition, error, refused }: RefusedBatch): boolean {
    const { topic } = this.#settings;
    const { records } = batches[0];
    const kind = errorKind(error);
    if (kind === "tooLarge") {
      if (records.count === 1) throw tooLargeRecord(records.records()[0], topic, error);
    } else if (kind === "recordRefused") {
      const itemError = refusedRecord(records.records(), { topic, partition, error, refused });
      if (itemError !== null) throw itemError;
    } else return false;
    split(batches);
    return true;
  }

  /** After an error: waits for the next attempt, or throws if none can succeed. */
  async #recover(error: unknown, round: Unacknowledged, deadline: number): Promise<void> {
    if (this.#closed) return;
    if (isItemError(error)) throw error;
    if (error instanceof TopicReplacedError || error instanceof TopicDeletedError) throw error;
    this.#written.doubt();
    if (isFinalForWrites(error)) throw this.#cannotWrite(error);
    this.#requireKnownHost(error);
    const { deliveryTimeoutMs, maxRetries } = this.#settings.output;
    if (performance.now() >= deadline || ++this.#retries > maxRetries) {
      throw this.#notInTime(error, round, deliveryTimeoutMs);
    }
    this.#connection.drop();
    await this.#connection.pause(error);
  }

  #cannotWrite(error: unknown): Error {
    const cure = CURES[errorName(error)];
    const { transactionalId } = this.#session;
    const told = transactionalId === undefined
      ? error
      : refusedTransaction(error, { transactionalId });
    return new Error(
      `cannot write to topic "${this.#settings.topic}": ${messageOfKafka(told)}` +
        (cure === undefined ? "" : `: ${cure}`),
      { cause: error },
    );
  }

  #notInTime(error: unknown, round: Unacknowledged, timeoutMs: number): Error {
    const { topic } = this.#settings;
    let records = 0;
    for (const batches of round.values()) {
      for (const batch of batches) records += batch.records.count;
    }
    const what = records > 0
      ? `topic "${topic}" has not acknowledged ${counted(records, "record")}`
      : `topic "${topic}", which has been written to, was not found again`;
    const why = errorKind(error) === "unknownTopic"
      ? "the brokers do not have the topic: was it deleted? If so, create it again, and start again"
      : messageOfKafka(error);
    return new Error(
      `${what} within ${timeoutMs / 1000} s and ${counted(this.#retries, "try", "tries")}: ${why}`,
      { cause: error },
    );
  }

  /** Throws if the cluster has named a host that stays unknown, as long as nothing was written. */
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
}

/** Splits the first batch in two. */
function split(batches: Batch[]): void {
  const { firstSequence, records } = batches[0];
  const [first, rest] = records.split();
  batches.splice(
    0,
    1,
    { firstSequence, records: first },
    { firstSequence: sequenceAfter(firstSequence, first.count), records: rest },
  );
}
