/**
 * The transactions of an output's cluster, with the output's patience.
 *
 * @module
 */
import type { ProducerIdentity, TransactionIdentity } from "../wire/init_producer_id.ts";
import { errorKind } from "../client/errors.ts";
import type { Brokers } from "./coordinator.ts";
import { evidenceOf } from "./lost.ts";
import { type Persist, persist, type RepeatedConnection } from "./persist.ts";
import { acquire, endTransaction, Transaction } from "./transaction.ts";

/** What transactions need of a connection. */
export type TransactionConnection = Brokers & RepeatedConnection;

/** How long the broker may take, in milliseconds. */
export interface Patience {
  /** How long it keeps a transaction open. */
  readonly timeoutMs: number;
  /** How long it may be away. */
  readonly patienceMs: number;
}

/** Requests of transactions, repeated while their coordinator is away. */
export class ClusterTransactions {
  readonly #connection: TransactionConnection;
  readonly #patience: Patience;
  readonly #persist: Persist;
  #drops = 0; // how often connections have been dropped
  #isClosed = false;

  /** Asks nothing yet. */
  constructor(connection: TransactionConnection, patience: Patience) {
    this.#connection = connection;
    this.#patience = patience;
    this.#persist = (work, patienceMs) => this.#repeat(work, patienceMs ?? patience.patienceMs);
  }

  /** Acquires a transactional id, as {@linkcode acquire} does. */
  async acquire(
    transactionalId: string,
    continues?: ProducerIdentity,
  ): Promise<TransactionIdentity> {
    const { timeoutMs } = this.#patience;
    const options = { timeoutMs, persist: this.#persist };
    return await acquire(
      this.#connection,
      transactionalId,
      continues === undefined ? options : { ...options, continues },
    );
  }

  /**
   * Makes the transaction of an identity, which begins with its first partition. Nothing is
   * repeated for a topic that the broker does not have: who uses the topic decides how long it may
   * be missing.
   */
  begin(identity: TransactionIdentity): Transaction {
    return new Transaction(this.#connection, identity, async (work, patienceMs) => {
      const outcome = await this.#persist(() => unlessUnknownTopic(work), patienceMs);
      if ("unknown" in outcome) throw outcome.unknown;
      return outcome.done;
    });
  }

  /** Ends a transaction that another process has begun, as {@linkcode endTransaction} does. */
  async end(identity: TransactionIdentity, how: "commit" | "abort"): Promise<void> {
    await endTransaction(this.#connection, identity, how, this.#persist);
  }

  /** Returns what has become of a transaction, as {@linkcode evidenceOf} does. */
  async evidenceOf(identity: TransactionIdentity): Promise<string> {
    return await evidenceOf(this.#connection, identity, this.#persist);
  }

  /**
   * Repeats work. If connections have been dropped since an attempt began, that is why it failed.
   * Then they are not dropped again: attempts side by side would end each other for ever.
   */
  #repeat<T>(work: () => Promise<T>, patienceMs: number): Promise<T> {
    const connection = this.#connection;
    const isEnded = () => this.#isClosed || connection.isEnded;
    let before = this.#drops;
    const repeated = {
      get isEnded() {
        return isEnded();
      },
      drop: () => {
        if (before !== this.#drops) return;
        this.#drops++;
        connection.drop();
      },
      backoff: () => connection.backoff(),
    };
    return persist(repeated, patienceMs, () => {
      before = this.#drops;
      return work();
    });
  }

  /** Repeats nothing any more. */
  close(): void {
    this.#isClosed = true;
  }
}

/** Does some work. Returns the error if the broker does not have a topic. */
async function unlessUnknownTopic<T>(
  work: () => Promise<T>,
): Promise<{ readonly done: T } | { readonly unknown: unknown }> {
  try {
    return { done: await work() };
  } catch (error) {
    if (errorKind(error) !== "unknownTopic") throw error;
    return { unknown: error };
  }
}
