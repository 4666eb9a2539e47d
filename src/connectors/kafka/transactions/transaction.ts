/**
 * Transactions: acquiring a transactional id, adding partitions, and the end.
 *
 * All of it uses the older protocol of transactions, which every broker has. There, an end may be
 * repeated with the stored identity, by another process too, for as long as nothing else has used
 * the transactional id. The newer one (KIP-890) raises the producer's epoch at each end.
 *
 * @module
 */
import { TopicAbsence, TopicDeletedError } from "../client/deleted_topic.ts";
import { errorKind, errorName, isFinalForWrites, messageOfKafka } from "../client/errors.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";
import { addOffsetsToTxn } from "../wire/add_offsets_to_txn.ts";
import { addPartitionsToTxn } from "../wire/add_partitions_to_txn.ts";
import { describeTransactions } from "../wire/describe_transactions.ts";
import { endTxn } from "../wire/end_txn.ts";
import { ProtocolError } from "../wire/error_codes.ts";
import {
  initProducerId,
  type ProducerIdentity,
  type TransactionIdentity,
} from "../wire/init_producer_id.ts";
import { SequenceNumbers } from "../wire/sequence_numbers.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import {
  type CommittedOffset,
  type CommittingMember,
  txnOffsetCommit,
} from "../wire/txn_offset_commit.ts";
import { type Brokers, Coordinator, transactionCoordinator } from "./coordinator.ts";
import type { Persist } from "./persist.ts";
import { refusedTransaction } from "./refused.ts";

/** How long the coordinator of a group may be away, in milliseconds. */
const GROUP_PATIENCE_MS = 3_000;

/** The coordinator of a group is away. Nothing of the group has been added to the transaction. */
export class GroupAwayError extends Error {
  override name = "GroupAwayError";
}

/** How a transactional id is acquired. */
export interface AcquireOptions {
  /** How long a transaction may be open, from its first partition on, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * The last identity of the id that is known, whose transaction has ended. If another producer has
   * acquired the id since, the broker refuses (Kafka 2.5 or newer). It refuses too while a
   * transaction is open, unless its `transaction.version` is 2. Absent to acquire the id from any
   * other producer.
   */
  readonly continues?: ProducerIdentity;
  readonly persist: Persist;
}

/**
 * Acquires a transactional id. It returns once no transaction is open with it: one that was is
 * aborted. From then on, the broker refuses the producer that had the id before.
 *
 * @throws {Error} If the broker refuses, or is away for too long.
 */
export async function acquire(
  connection: Brokers,
  transactionalId: string,
  { timeoutMs, continues, persist }: AcquireOptions,
): Promise<TransactionIdentity> {
  const coordinator = transactionCoordinator(connection, transactionalId);
  let known = continues;
  let isUnanswered = false; // the broker may have done what it has not answered
  const attempt = async (broker: KafkaBroker): Promise<ProducerIdentity> => {
    try {
      return await initProducerId(broker, {
        transactionalId,
        transactionTimeoutMs: timeoutMs,
        ...known === undefined ? {} : { continues: known },
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) isUnanswered = true;
      if (!isUnanswered || known === undefined || errorKind(error) !== "fenced") throw error;
      const given = await givenUnanswered(broker, transactionalId, known);
      if (given === null) throw error;
      known = given;
      isUnanswered = false;
      return await attempt(broker);
    }
  };
  try {
    const identity = await persist(() => coordinator.ask(attempt));
    return { transactionalId, ...identity };
  } catch (error) {
    throw refusedTransaction(error, { transactionalId, timeoutMs });
  }
}

/**
 * Returns the identity that an unanswered request has given, if it has. A coordinator answers the
 * repeated request with that identity, but not after a restart or on another broker. The log of
 * transactions does not have the epoch before (Kafka 4.3.1), so it refuses the request like a
 * stranger's.
 *
 * Another run that has acquired the id leaves the same trace. It only ends what is open with the
 * id, and writes with ids of its own (`ids.ts`). So it does no harm to acquire it after that:
 * what is written with it is never committed, as the store is the other run's.
 */
async function givenUnanswered(
  broker: KafkaBroker,
  transactionalId: string,
  { producerId, producerEpoch }: ProducerIdentity,
): Promise<ProducerIdentity | null> {
  try {
    const [now] = await describeTransactions(broker, [transactionalId]);
    const isNext = now?.errorCode === 0 && now.state === "Empty" &&
      now.producerId === producerId && now.producerEpoch === producerEpoch + 1;
    return isNext ? { producerId, producerEpoch: now.producerEpoch } : null;
  } catch (error) {
    if (isFinalForWrites(error)) return null; // Kafka before 3.0 does not tell
    throw error;
  }
}

/**
 * Ends a transaction that this process or another one has begun. A commit returns too if the
 * transaction has been committed already, and nothing has used the id since.
 *
 * @throws {TransactionRefusedError} If it is over, and it is not known that it ended this way.
 * @throws {Error} If the broker refuses for another reason, or is away for too long.
 */
export async function endTransaction(
  connection: Brokers,
  identity: TransactionIdentity,
  how: "commit" | "abort",
  persist: Persist,
): Promise<void> {
  await endAt(transactionCoordinator(connection, identity.transactionalId), identity, how, persist);
}

async function endAt(
  coordinator: Coordinator,
  identity: TransactionIdentity,
  how: "commit" | "abort",
  persist: Persist,
): Promise<void> {
  try {
    await persist(() => coordinator.ask((broker) => endTxn(broker, identity, how)));
  } catch (error) {
    throw refusedTransaction(error, identity);
  }
}

/**
 * Transactions of one identity, one after the other. If an identity is stored, it must have one
 * transaction only. Otherwise, a later commit by identity commits the next one, half written.
 */
export class Transaction {
  /** What identifies it to the broker, also in batches. */
  readonly identity: TransactionIdentity;
  /** The sequence numbers of its batches, by the names of partitions (`positionName`). */
  readonly sequences: SequenceNumbers<string> = new SequenceNumbers();
  readonly #connection: Brokers;
  readonly #coordinator: Coordinator;
  readonly #groups = new Map<string, Coordinator>();
  readonly #persist: Persist;
  readonly #added = new Set<string>();
  #isEmpty = true;
  #beganAt = 0; // if there is one

  /** Begins nothing yet. Nothing may be open with the identity. */
  constructor(connection: Brokers, identity: TransactionIdentity, persist: Persist) {
    this.identity = identity;
    this.#connection = connection;
    this.#coordinator = transactionCoordinator(connection, identity.transactionalId);
    this.#persist = persist;
  }

  /** Whether no transaction is open. The broker refuses to end an empty one. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** For how long it has been open, in milliseconds; 0 if there is none. */
  get openMs(): number {
    return this.#isEmpty ? 0 : performance.now() - this.#beganAt;
  }

  /**
   * Adds partitions that are about to be written to. The first ones begin the transaction, and its
   * timeout. One call at a time.
   *
   * @throws {TopicDeletedError} If brokers in reach have not known a topic for too long.
   * @throws {Error} If the broker refuses, or is away for too long. They may have been added.
   */
  async add(partitions: readonly TopicPartition[]): Promise<void> {
    const added = partitions.filter((each) => !this.#added.has(positionName(each)));
    if (added.length === 0) return;
    const absence = new TopicAbsence();
    await this.#begin(async (broker) => {
      try {
        await addPartitionsToTxn(broker, this.identity, added);
      } catch (error) {
        if (!absence.lastsAfter(error)) throw error;
        const { topic = added[0].topic } = error as { topic?: string };
        throw new TopicDeletedError(topic, error);
      }
    });
    for (const each of added) this.#added.add(positionName(each));
  }

  /**
   * Commits positions of a consumer group with the transaction. The group has them once the
   * transaction is committed. They begin the transaction too. One call at a time.
   *
   * @param member Who commits; absent for somebody who is not a member of the group.
   * @throws {GroupAwayError} If the group's coordinator is away for some seconds. The transaction
   * can still be committed, without the positions.
   * @throws {Error} If a broker refuses, or is away for too long.
   */
  async commitOffsets(
    groupId: string,
    offsets: readonly CommittedOffset[],
    member?: CommittingMember,
  ): Promise<void> {
    if (offsets.length === 0) return;
    const group = this.#groups.get(groupId) ??
      new Coordinator(this.#connection, { kind: "group", id: groupId });
    if (!this.#groups.has(groupId)) {
      // Before the group is added: then the transaction cannot end without its coordinator.
      await this.#find(group, groupId);
      await this.#begin((broker) => addOffsetsToTxn(broker, this.identity, groupId));
      this.#groups.set(groupId, group);
    }
    await this.#explained(() =>
      group.ask((broker) => txnOffsetCommit(broker, this.identity, groupId, offsets, member))
    );
  }

  async #find(coordinator: Coordinator, groupId: string): Promise<void> {
    try {
      await this.#persist(() => coordinator.find(), GROUP_PATIENCE_MS);
    } catch (cause) {
      if (isFinalForWrites(cause)) throw cause;
      const why = messageOfKafka(cause);
      throw new GroupAwayError(`the coordinator of group "${groupId}" is away: ${why}`, { cause });
    }
  }

  /** Sends a request that begins the transaction, if it is the first. */
  async #begin(request: (coordinator: KafkaBroker) => Promise<void>): Promise<void> {
    if (this.#isEmpty) this.#beganAt = performance.now();
    this.#isEmpty = false; // from here on, the broker may have begun it
    await this.#explained(() => this.#coordinator.ask(request));
  }

  async #explained(work: () => Promise<void>): Promise<void> {
    try {
      await this.#persist(work);
    } catch (error) {
      throw refusedTransaction(error, this.identity);
    }
  }

  /**
   * Ends the transaction, if there is one. The next call to {@linkcode add} begins another.
   *
   * @throws {Error} As {@linkcode endTransaction}.
   */
  async end(how: "commit" | "abort"): Promise<void> {
    if (this.#isEmpty) return;
    try {
      await endAt(this.#coordinator, this.identity, how, this.#persist);
    } catch (error) {
      // Nothing is open if the broker never had the first partitions.
      const isUnknown = this.#added.size === 0 && this.#groups.size === 0;
      const hasNone = how === "abort" && isUnknown && errorName(error) === "INVALID_TXN_STATE";
      if (!hasNone) throw error;
    }
    this.#added.clear();
    this.#groups.clear();
    this.#isEmpty = true;
  }
}
