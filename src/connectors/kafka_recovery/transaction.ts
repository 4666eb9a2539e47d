/**
 * Writes in transactions, one after the other.
 *
 * Requesting a producer id with a transactional id ends the open transaction of any other producer
 * with it. From then on, the writes of that producer are refused. So only the last run that has
 * opened a store can commit.
 * @module
 */
import { errorKind, isFinalForWrites } from "../kafka/client/errors.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { initProducerId, type ProducerIdentity } from "../kafka/wire/init_producer_id.ts";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { ACKS } from "../kafka/wire/produce.ts";
import { encodeRecordBatch, type WireRecord } from "../kafka/wire/write_batch.ts";
import { produceRound, SequenceNumbers } from "../kafka/write/produce_round.ts";
import { requireAnswers } from "../kafka/wire/wrong_answer.ts";

/** How long a transaction may take before the broker ends it, in milliseconds. */
const TRANSACTION_MS = 300_000;

/** How long the broker may be away, in milliseconds. */
const PATIENCE_MS = 120_000;

/** How long it may be away while a store is opened, as at the start of any run. */
const OPENING_MS = 10_000;

/** How long replicas may take, in milliseconds. */
const ACK_MS = 30_000;

/** The pause before asking the coordinator again whether the last transaction is over. */
const BUSY_MS = 10;

/** Records by partition. */
export type Records = ReadonlyMap<number, readonly WireRecord[]>;

/** A producer with a transactional id. */
export class TransactionalProducer {
  readonly #connection: KafkaConnection;
  readonly #id: string;
  readonly #sequences = new SequenceNumbers<string>(); // by topic and partition
  readonly #added = new Set<string>();
  #identity: ProducerIdentity = { producerId: -1n, producerEpoch: -1 };
  #coordinator: KafkaBroker | null = null;
  #hasFailed = false;
  #patienceMs = OPENING_MS;

  private constructor(connection: KafkaConnection, id: string) {
    this.#connection = connection;
    this.#id = id;
  }

  /** Acquires the transactional id. Returns once no transaction is open with it. */
  static async begin(connection: KafkaConnection, id: string): Promise<TransactionalProducer> {
    const producer = new TransactionalProducer(connection, id);
    producer.#identity = await producer.persist(async () => {
      return await initProducerId(await producer.#findCoordinator(), {
        transactionalId: id,
        transactionTimeoutMs: TRANSACTION_MS,
      });
    });
    return producer;
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
    await this.#add(topic, [...records.keys()]);
    const waiting = new Map<number, Uint8Array>();
    for (const [partition, each] of records) {
      const name = `${topic}-${partition}`;
      const baseSequence = this.#sequences.next(name);
      this.#sequences.advance(name, each.length);
      waiting.set(
        partition,
        encodeRecordBatch(each, {
          ...this.#identity,
          baseSequence,
          transactional: true,
        }),
      );
    }
    await this.persist(() => this.#sendAll(topic, waiting));
  }

  /** Ends the transaction, if something has been written in it. */
  async end(how: "commit" | "abort"): Promise<void> {
    if (this.#added.size === 0) return;
    await this.persist(async () => {
      const coordinator = await this.#findCoordinator();
      await coordinator.endTxn({
        ...this.#transaction(),
        transactionResult: how === "commit",
      });
    });
    this.#added.clear();
  }

  async #add(topic: string, partitions: readonly number[]): Promise<void> {
    const added = partitions.filter((partition) => !this.#added.has(`${topic}-${partition}`));
    if (added.length === 0) return;
    await this.persist(async () => {
      const coordinator = await this.#findCoordinator();
      const { errors } = await coordinator.addPartitionsToTxn({
        ...this.#transaction(),
        topics: [{ topic, partitions: added }],
      });
      requireAnswers(
        "AddPartitionsToTxn",
        added.map((partition) => ({ topic, partition })),
        errors.flatMap(({ topic, partitionErrors }) =>
          partitionErrors.map(({ partition }) => ({ topic, partition }))
        ),
      );
    });
    for (const partition of added) this.#added.add(`${topic}-${partition}`);
  }

  /** Tries once to send what is waiting. Acknowledged batches are removed from `waiting`. */
  async #sendAll(topic: string, waiting: Map<number, Uint8Array>): Promise<void> {
    await produceRound(this.#connection, [...waiting.keys()], {
      topic,
      acks: ACKS.all,
      timeoutMs: ACK_MS,
      transactionalId: this.#id,
      batchOf: (partition) => waiting.get(partition)!,
      written: (partition) => waiting.delete(partition),
    });
  }

  /** The identity of the transaction, in KafkaJS's form. */
  #transaction() {
    const { producerId, producerEpoch } = this.#identity;
    return { transactionalId: this.#id, producerId: String(producerId), producerEpoch };
  }

  async #findCoordinator(): Promise<KafkaBroker> {
    return this.#coordinator ??= await this.#connection.coordinator({
      kind: "transaction",
      id: this.#id,
    });
  }

  /** Does `work`, and repeats it after an error as long as the broker may come back. */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const deadline = start + this.#patienceMs;
    for (;;) {
      try {
        const done = await work();
        this.#connection.succeeded();
        return done;
      } catch (error) {
        // A broker that is busy with the last transaction is in reach, and answers.
        const isBusy = errorKind(error) === "transactionPending";
        const end = isBusy ? start + PATIENCE_MS : deadline;
        const isOver = performance.now() >= end || this.#connection.isEnded;
        if (isFinalForWrites(error) || isOver) {
          this.#hasFailed = true;
          throw error;
        }
        if (isBusy) {
          await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
          continue;
        }
        this.#coordinator = null;
        this.#connection.drop();
        await this.#connection.pause(error, deadline);
      }
    }
  }
}
