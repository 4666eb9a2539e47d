/**
 * Writes in transactions, one after the other.
 *
 * Requesting a producer id with a transactional id ends the open transaction of any other producer
 * with it. From then on, the writes of that producer are refused. So only the last run that has
 * opened a store can commit.
 * @module
 */
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { TopicAbsence, TopicDeletedError } from "../kafka/client/deleted_topic.ts";
import { persist } from "../kafka/transactions/persist.ts";
import { acquire, Transaction } from "../kafka/transactions/transaction.ts";
import type { TransactionIdentity } from "../kafka/wire/init_producer_id.ts";
import { ACKS } from "../kafka/wire/produce.ts";
import { positionName } from "../kafka/wire/topic_partition.ts";
import { encodeRecordBatch, type WireRecord } from "../kafka/wire/write_batch.ts";
import { produceRound } from "../kafka/write/produce_round.ts";

/** How long a transaction may take before the broker ends it, in milliseconds. */
const TRANSACTION_MS = 300_000;

/** How long the broker may be away, in milliseconds. */
const PATIENCE_MS = 120_000;

/** How long it may be away while a store is opened, as at the start of any run. */
const OPENING_MS = 10_000;

/** How long replicas may take, in milliseconds. */
const ACK_MS = 30_000;

/** Records by partition. */
export type Records = ReadonlyMap<number, readonly WireRecord[]>;

/** A producer with a transactional id. All its transactions have one identity: none is stored. */
export class TransactionalProducer {
  readonly #connection: KafkaConnection;
  readonly #transaction: Transaction;
  #hasFailed = false;
  #patienceMs = OPENING_MS;
  #topic = ""; // the one that was written to last

  private constructor(connection: KafkaConnection, identity: TransactionIdentity) {
    this.#connection = connection;
    this.#transaction = new Transaction(connection, identity, (work) => this.persist(work));
  }

  /** Acquires the transactional id. Returns once no transaction is open with it. */
  static async begin(connection: KafkaConnection, id: string): Promise<TransactionalProducer> {
    const identity = await acquire(connection, id, {
      timeoutMs: TRANSACTION_MS,
      persist: (work) => persist(connection, OPENING_MS, work),
    });
    return new TransactionalProducer(connection, identity);
  }

  /** The store is open and a run continues, so the broker may be away for longer from now on. */
  opened(): void {
    this.#patienceMs = PATIENCE_MS;
  }

  /** Whether a step has failed. Then it is unknown what has been written. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Writes records as part of the transaction. One call at a time. */
  async send(topic: string, records: Records): Promise<void> {
    if (records.size === 0) return;
    this.#topic = topic;
    const { identity, sequences } = this.#transaction;
    await this.#transaction.add(Array.from(records.keys(), (partition) => ({ topic, partition })));
    const waiting = new Map<number, Uint8Array>();
    for (const [partition, each] of records) {
      const name = positionName({ topic, partition });
      const baseSequence = sequences.next(name);
      sequences.advance(name, each.length);
      waiting.set(
        partition,
        encodeRecordBatch(each, { ...identity, baseSequence, transactional: true }),
      );
    }
    await this.persist(() => this.#sendAll(topic, waiting));
  }

  /** Ends the transaction, if something has been written in it. */
  async end(how: "commit" | "abort"): Promise<void> {
    await this.#transaction.end(how);
  }

  /** Tries once to send what is waiting. Acknowledged batches are removed from `waiting`. */
  async #sendAll(topic: string, waiting: Map<number, Uint8Array>): Promise<void> {
    await produceRound(this.#connection, [...waiting.keys()], {
      topic,
      acks: ACKS.all,
      timeoutMs: ACK_MS,
      transactionalId: this.#transaction.identity.transactionalId,
      batchOf: (partition) => waiting.get(partition)!,
      written: (partition) => waiting.delete(partition),
    });
  }

  /**
   * Does `work`, and repeats it after an error as long as the broker may come back.
   *
   * @throws {TopicDeletedError} If brokers have not had a topic for ten seconds.
   * @throws The last error; the first one if another attempt is useless.
   */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    const absence = new TopicAbsence();
    const attempt = async () => {
      try {
        return await work();
      } catch (error) {
        if (!absence.lastsAfter(error)) throw error;
        const { topic = this.#topic } = error as { topic?: string };
        throw new TopicDeletedError(topic, error);
      }
    };
    try {
      return await persist(this.#connection, this.#patienceMs, attempt);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
}
