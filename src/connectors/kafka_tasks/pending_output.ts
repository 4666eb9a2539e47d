/**
 * One Kafka output of a process, whose records wait for a transaction (`pending_outputs.ts`).
 *
 * @module
 */
import type { ConnectionReading } from "../../core/connection_reading.ts";
import { isItemError, StepError } from "../../core/errors.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import { preview } from "../../core/preview.ts";
import { limited } from "../kafka/client/concurrency.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import type { TopicDeletedError } from "../kafka/client/deleted_topic.ts";
import { type ErrorKind, errorKind, messageOfKafka } from "../kafka/client/errors.ts";
import type { KafkaOutputItem } from "../kafka/output_item.ts";
import type { KafkaOutputSettings } from "../kafka/properties/settings.ts";
import { refusedTransaction } from "../kafka/transactions/refused.ts";
import type { Transaction } from "../kafka/transactions/transaction.ts";
import type { ProducerIdentity } from "../kafka/wire/init_producer_id.ts";
import { requireCodec } from "../kafka/wire/request_versions.ts";
import type { SequenceNumbers } from "../kafka/wire/sequence_numbers.ts";
import type { TopicPartition } from "../kafka/wire/topic_partition.ts";
import { Delivery } from "../kafka/write/delivery.ts";
import type { OutgoingBatch } from "../kafka/write/outgoing_batch.ts";
import { PartitionCount } from "../kafka/write/partition_count.ts";
import type { ProducerSession } from "../kafka/write/producer_session.ts";
import { WaitingRecords } from "../kafka/write/waiting_records.ts";
import { WrittenTopic } from "../kafka/write/written_topic.ts";

/** What records of outputs are written with. */
export interface PendingTarget {
  /**
   * The transactions of the process, one after the other. Nothing else uses it, except within
   * `PendingOutputs.commit`.
   */
  readonly transaction: Pick<Transaction, "identity" | "add">;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/** The step of an output, for errors. */
export interface OutputStep {
  readonly stepId: StepId;
  readonly workerIndex: WorkerIndex;
  /** Accepts a function that returns what the opening waits for. */
  whileOpening?(waitingFor: () => string | null): void;
}

/** Batches of an output, at most one for each partition. */
export interface PendingRound {
  readonly output: PendingOutput;
  readonly partitions: readonly TopicPartition[];
  readonly batches: ReadonlyMap<number, OutgoingBatch>;
  readonly from: WaitingRecords;
}

/** The errors that are about the transaction, and not about a topic or its records. */
const OF_TRANSACTION: ReadonlySet<ErrorKind> = new Set([
  "fenced",
  "sequenceBroken",
  "transactionRefused",
]);

/** Encodes records for a topic, and delivers them when it is told to. */
export class PendingOutput {
  readonly #settings: KafkaOutputSettings;
  readonly #step: OutputStep;
  readonly #connection: KafkaConnection;
  readonly #partitions: PartitionCount;
  readonly #written: WrittenTopic;
  readonly #delivery: Delivery;
  readonly #target: PendingTarget;
  readonly #waiting = new Map<Epoch, WaitingRecords>();
  #newest: WaitingRecords;
  #isClosed = false;

  private constructor(
    settings: KafkaOutputSettings,
    step: OutputStep,
    target: PendingTarget & { readonly sequences: SequenceNumbers<number> },
    parts: {
      readonly connection: KafkaConnection;
      readonly written: WrittenTopic;
      readonly partitions: PartitionCount;
    },
  ) {
    this.#settings = settings;
    this.#step = step;
    this.#connection = parts.connection;
    this.#partitions = parts.partitions;
    this.#written = parts.written;
    this.#target = target;
    this.#newest = new WaitingRecords(settings, parts.partitions);
    const session = new PendingSession(settings.topic, target);
    this.#delivery = new Delivery(settings, { ...parts, session });
    parts.partitions.start();
  }

  /**
   * Connects, and checks that the topic exists.
   *
   * @throws {Error} If brokers do not answer, or do not have the topic.
   */
  static async open(
    settings: KafkaOutputSettings,
    step: OutputStep,
    target: PendingTarget & { readonly sequences: SequenceNumbers<number> },
  ): Promise<PendingOutput> {
    const { brokers, topic, output } = settings;
    const connection = new KafkaConnection(brokers, [topic], output, target);
    step.whileOpening?.(() => connection.waitingFor);
    const written = new WrittenTopic(connection, topic, output.metadataMaxAgeMs, { by: "group" });
    const partitions = new PartitionCount(connection, topic, output.metadataMaxAgeMs, target.log);
    try {
      await connection.open(async () => {
        await written.open();
        await partitions.open();
      });
      requireCodec(output.compression, (await connection.anyBroker()).versions);
      connection.opened();
      return new PendingOutput(settings, step, target, { connection, written, partitions });
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  get topic(): string {
    return this.#settings.topic;
  }

  /** What is being waited for; `null` for nothing. */
  get waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  /** What has happened to its connections. */
  connections(): ConnectionReading[] {
    return this.#connection.connections();
  }

  /**
   * Adds items as records of an epoch. If `mayAsk`, it stops before the first one for an unknown
   * partition. Returns how many it has added.
   *
   * @throws {ItemError} If an item cannot be a record.
   */
  add(items: readonly KafkaOutputItem[], epoch: Epoch, mayAsk: boolean): number {
    let waiting = this.#waiting.get(epoch);
    if (waiting === undefined) {
      waiting = this.#newest = this.#newest.next();
      this.#waiting.set(epoch, waiting);
    }
    return waiting.add(items, mayAsk);
  }

  /** Asks for new partitions. If brokers do not answer, the next record for one is an error. */
  async refreshPartitions(): Promise<void> {
    const { signal, log } = this.#target;
    const ms = this.#settings.output.requestTimeoutMs;
    try {
      await limited(this.#partitions.refresh(), { ms, signal, cut: () => new Error("no answer") });
    } catch (error) {
      log.debug(`kafka: cannot ask for new partitions: ${messageOfKafka(error)}`);
    }
  }

  /** How many bytes wait, of one epoch. */
  bytesIn(epoch: Epoch): number {
    return this.#waiting.get(epoch)?.bytes ?? 0;
  }

  /** How many bytes wait, of epochs up to one. */
  bytesUpTo(epoch: Epoch): number {
    let sum = 0;
    for (const [each, { bytes }] of this.#waiting) if (each <= epoch) sum += bytes;
    return sum;
  }

  /** Removes batches of the oldest epoch up to one that has any; `null` if nothing waits. */
  takeRound(epoch: Epoch): PendingRound | null {
    for (const each of [...this.#waiting.keys()].sort((a, b) => a - b)) {
      if (each > epoch) return null;
      const from = this.#waiting.get(each)!;
      if (from.records > 0) {
        const batches = from.takeRound();
        const { topic } = this.#settings;
        const partitions = Array.from(batches.keys(), (partition) => ({ topic, partition }));
        return { output: this, partitions, batches, from };
      }
      this.#waiting.delete(each);
    }
    return null;
  }

  /**
   * Delivers batches. The partitions are part of the transaction already.
   *
   * @throws {StepError} If the topic does not accept a record.
   * @throws {TransactionRefusedError} If the broker does not accept the transaction any more.
   */
  async deliver({ batches, from }: PendingRound): Promise<void> {
    await this.#explained(this.#delivery.deliver(batches));
    if (!this.#isClosed) from.acknowledged(batches);
  }

  /**
   * Makes sure that the topic is still the same after something was written to it.
   *
   * @throws {StepError} If it is not.
   */
  async confirm(): Promise<void> {
    if (!this.#written.hasWritten) return;
    await this.#explained(this.#delivery.confirm(() => !this.#isClosed));
  }

  /** Drops what waits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#delivery.close();
    this.#partitions.close();
    await this.#connection.close();
  }

  /** The error of the step, whose topic has been deleted. */
  deleted(error: TopicDeletedError): StepError {
    const { stepId, workerIndex: worker } = this.#step;
    return new StepError({ stepId, worker, task: null }, error);
  }

  /** Errors about the transaction are told apart from those of the step. */
  async #explained(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const cause = (error as { cause?: unknown } | null)?.cause;
      for (const each of [error, cause]) {
        if (!(each instanceof Error) || !OF_TRANSACTION.has(errorKind(each))) continue;
        throw refusedTransaction(each, this.#target.transaction.identity);
      }
      const { stepId, workerIndex: worker } = this.#step;
      const where = { stepId, worker, task: null }; // other tasks' records are in the same batches
      if (!isItemError(error)) throw new StepError(where, error);
      throw new StepError({ ...where, item: preview(error.item) }, error.cause);
    }
  }
}

/** The producer of a process, as far as one topic is concerned. */
class PendingSession implements ProducerSession {
  readonly sequences: SequenceNumbers<number>;
  readonly #topic: string;
  readonly #transaction: PendingTarget["transaction"];

  constructor(
    topic: string,
    { transaction, sequences }: PendingTarget & { readonly sequences: SequenceNumbers<number> },
  ) {
    this.#topic = topic;
    this.#transaction = transaction;
    this.sequences = sequences;
  }

  get transactionalId(): string {
    return this.#transaction.identity.transactionalId;
  }

  async writesTo(partitions: readonly number[]): Promise<ProducerIdentity> {
    const topic = this.#topic;
    await this.#transaction.add(partitions.map((partition) => ({ topic, partition })));
    return this.#transaction.identity;
  }
}
