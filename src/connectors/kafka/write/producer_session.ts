/**
 * Who the producer of a batch is to the broker: one idempotent producer for the whole run, or that
 * of a transaction.
 *
 * @module
 */
import type { KafkaConnection } from "../client/connection.ts";
import { initProducerId, type ProducerIdentity } from "../wire/init_producer_id.ts";
import { SequenceNumbers } from "../wire/sequence_numbers.ts";

/** Without transactions, the broker ignores it. */
const TRANSACTION_MS = 60_000;

/** The producer of the records that are delivered. */
export interface ProducerSession {
  /** The id of the transaction that records belong to; `undefined` if they belong to none. */
  readonly transactionalId: string | undefined;
  /** The numbers of the next records, by partition. */
  readonly sequences: SequenceNumbers<number>;
  /**
   * Prepares writing to partitions. Returns the id by which the broker knows the sequence numbers;
   * `null` if it is not to know them.
   *
   * @throws {Error} If it is not certain that the broker accepts records. It may be called again.
   */
  writesTo(partitions: readonly number[]): Promise<ProducerIdentity | null>;
}

/** A producer outside of transactions. */
export class PlainSession implements ProducerSession {
  readonly transactionalId = undefined;
  readonly sequences = new SequenceNumbers<number>();
  readonly #connection: Pick<KafkaConnection, "anyBroker">;
  readonly #isIdempotent: boolean;
  #identity: ProducerIdentity | null = null;

  /** Asks for nothing yet. */
  constructor(connection: Pick<KafkaConnection, "anyBroker">, isIdempotent: boolean) {
    this.#connection = connection;
    this.#isIdempotent = isIdempotent;
  }

  async writesTo(): Promise<ProducerIdentity | null> {
    if (!this.#isIdempotent) return null;
    return this.#identity ??= await initProducerId(await this.#connection.anyBroker(), {
      transactionalId: null,
      transactionTimeoutMs: TRANSACTION_MS,
    });
  }
}
