/**
 * Writes the transactions of a process, one after the other.
 *
 * A transaction that is open holds up everyone who reads its partitions. So all of it is there
 * before the first request, and it is open for some milliseconds only.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { TopicAbsence, TopicDeletedError } from "../kafka/client/deleted_topic.ts";
import { type ErrorKind, errorKind, messageOfKafka } from "../kafka/client/errors.ts";
import { persist } from "../kafka/transactions/persist.ts";
import { acquire, endTransaction, Transaction } from "../kafka/transactions/transaction.ts";
import { ACKS } from "../kafka/wire/produce.ts";
import { positionName } from "../kafka/wire/topic_partition.ts";
import type { CommittedOffset, CommittingMember } from "../kafka/wire/txn_offset_commit.ts";
import { produceRound } from "../kafka/write/produce_round.ts";
import type { PendingBatch } from "./pending_records.ts";
import { OPENING_MS, persisting, persistingInReach } from "./persisting.ts";

/** How long the broker may be away while a transaction is open, in milliseconds. */
const PATIENCE_MS = 60_000;

/** How long an abort may take at the end of a process: the broker does it later by itself. */
const ABORT_MS = 2_000;

/** How long replicas may take, in milliseconds. */
const ACK_MS = 30_000;

/** The most bytes that are sent at once. */
const ROUND_BYTES = 32 << 20;

/** A topic does not accept records of a batch. */
export class RefusedBatchError extends Error {
  override readonly name = "RefusedBatchError";
  /** The error's name in the protocol. */
  readonly type: string;

  constructor(message: string, cause: Error & { readonly type: string }) {
    super(message, { cause });
    this.type = cause.type;
  }
}

/** Refusals for which the records of a batch are to blame, and not the producer. */
const OF_RECORDS: ReadonlySet<ErrorKind> = new Set([
  "tooLarge",
  "recordRefused",
  "batchRefused",
  "againstPolicy",
  "unsupported",
]);

/** What a producer needs. */
export interface TaskProducerOptions {
  readonly transactionalId: string;
  /** How long the broker keeps a transaction open, in milliseconds. */
  readonly timeoutMs: number;
  /** Knows the topics that are written to. */
  readonly connection: KafkaConnection;
  readonly log: Log;
  /** Throws if a topic is another one than at the start. */
  readonly confirm?: () => Promise<void>;
  /**
   * How long brokers may be away at the start, in milliseconds; `Infinity`: without a limit.
   * @default {10000}
   */
  readonly openingMs?: number;
}

/** What is committed in one transaction. */
export interface TaskCommit {
  /** The batches of each partition, in order. */
  readonly batches: readonly (readonly PendingBatch[])[];
  readonly groupId: string;
  readonly offsets: readonly CommittedOffset[];
  /** Called once everything is written, right before the positions are. */
  readonly member: (() => Promise<CommittingMember & Disposable>) | null;
}

/** A producer with a transactional id. */
export class TaskProducer {
  readonly #options: TaskProducerOptions;
  readonly #transaction: Transaction;
  #hasFailed = false;
  #isClosed = false;

  private constructor(
    options: TaskProducerOptions,
    identity: Awaited<ReturnType<typeof acquire>>,
  ) {
    this.#options = options;
    this.#transaction = new Transaction(
      options.connection,
      identity,
      (work, patienceMs = PATIENCE_MS) => persistingInReach(options.connection, work, patienceMs),
    );
  }

  /**
   * Acquires the transactional id. From then on, the writes of any other producer with it are
   * refused. Returns once no transaction is open with it.
   *
   * @throws {Error} If the broker refuses, or brokers are away for too long: it names them then.
   */
  static async open(options: TaskProducerOptions): Promise<TaskProducer> {
    const { connection, transactionalId, timeoutMs, openingMs = OPENING_MS } = options;
    const identity = await acquire(connection, transactionalId, {
      timeoutMs,
      persist: (work, patienceMs = openingMs) => persistingInReach(connection, work, patienceMs),
    });
    return new TaskProducer(options, identity);
  }

  /** The transactions, for others who write in them before they are committed. */
  get transaction(): Transaction {
    return this.#transaction;
  }

  /**
   * Writes the rest of a transaction, and commits it.
   *
   * @returns Where the records of each partition end, by its name. Partitions of which the broker
   * did not tell that are left out.
   * @throws {Error} If anything fails. It is then aborted, unless the broker has committed it and
   * its answer was lost. Nothing more can be written.
   */
  async commit(
    { batches, groupId, offsets, member }: TaskCommit,
  ): Promise<ReadonlyMap<string, number>> {
    if (this.#hasFailed || this.#isClosed) {
      throw new Error("an earlier commit has failed: this process has to end");
    }
    const ends = new Map<string, number>();
    try {
      if (batches.length > 0) await this.#transaction.add(batches.map(([{ of }]) => of));
      for (const round of roundsOf(batches)) await this.#write(round, ends);
      if (batches.length > 0) await this.#confirm();
      if (offsets.length > 0) {
        using identity = await member?.();
        await this.#transaction.commitOffsets(groupId, offsets, identity);
      }
      await this.#transaction.end("commit");
      return ends;
    } catch (error) {
      this.#hasFailed = true;
      await this.close(); // others wait for what is open
      throw error;
    }
  }

  async #confirm(): Promise<void> {
    const { connection, confirm } = this.#options;
    if (confirm !== undefined) await persisting(connection, confirm, PATIENCE_MS);
  }

  /** Writes batches, one for each partition. Returns once all have been answered or have failed. */
  async #write(round: readonly PendingBatch[], ends: Map<string, number>): Promise<void> {
    const byTopic = Map.groupBy(round, ({ of }) => of.topic);
    const answers = await Promise.allSettled(
      Array.from(byTopic, ([topic, batches]) => this.#writeTo(topic, batches, ends)),
    );
    for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  }

  async #writeTo(
    topic: string,
    batches: readonly PendingBatch[],
    ends: Map<string, number>,
  ): Promise<void> {
    const { identity, sequences } = this.#transaction;
    const waiting = new Map<number, Uint8Array>();
    const sent = new Map<number, PendingBatch>();
    for (const batch of batches) {
      const name = positionName(batch.of);
      const baseSequence = sequences.next(name);
      sequences.advance(name, batch.count);
      const encoded = await batch.encode({ ...identity, baseSequence, transactional: true });
      waiting.set(batch.of.partition, encoded);
      sent.set(batch.of.partition, batch);
    }
    const { connection } = this.#options;
    const absence = new TopicAbsence();
    await persistingInReach(connection, async () => {
      try {
        await produceRound(connection, [...waiting.keys()], {
          topic,
          acks: ACKS.all,
          timeoutMs: ACK_MS,
          transactionalId: identity.transactionalId,
          batchOf: (partition) => waiting.get(partition)!,
          written: (partition, baseOffset) => {
            waiting.delete(partition);
            const { of, count } = sent.get(partition)!;
            if (baseOffset === null) ends.delete(positionName(of));
            else ends.set(positionName(of), baseOffset + count);
          },
          refused: ({ partition, error }) => {
            if (OF_RECORDS.has(errorKind(error))) {
              const { writer } = sent.get(partition)!.options;
              throw refusedBatch({ writer, topic, partition }, error);
            }
            return false;
          },
        });
      } catch (error) {
        if (!absence.lastsAfter(error)) throw error;
        throw new TopicDeletedError(topic, error, "group");
      }
    }, PATIENCE_MS);
  }

  /** Aborts what is open, if that is quick. The broker does it later by itself. */
  async close(): Promise<void> {
    if (this.#transaction.isEmpty || this.#isClosed) return;
    this.#isClosed = true;
    const { connection, log } = this.#options;
    const { identity } = this.#transaction;
    try {
      await endTransaction(
        connection,
        identity,
        "abort",
        (work) => persist(connection, ABORT_MS, work),
      );
    } catch (error) {
      // It is over already, another producer has the id, or the broker is away.
      log.debug("a transaction was not aborted", { error: messageOfKafka(error) });
    }
  }
}

function refusedBatch(
  { writer, topic, partition }: { writer: string; topic: string; partition: number },
  error: Error & { readonly type: string },
): RefusedBatchError {
  const cure = errorKind(error) === "tooLarge"
    ? `raise max.message.bytes of "${topic}", or make its records smaller`
    : `change the records, or the settings of "${topic}"`;
  return new RefusedBatchError(
    `${writer}: topic "${topic}", partition ${partition} does not accept a batch ` +
      `(${error.type}: ${error.message}): ${cure}`,
    error,
  );
}

/** Batches that are sent together: one of each partition at most, and not too many bytes. */
function* roundsOf(
  batches: readonly (readonly PendingBatch[])[],
): Generator<readonly PendingBatch[]> {
  const most = Math.max(0, ...batches.map(({ length }) => length));
  for (let index = 0; index < most; index++) {
    let round: PendingBatch[] = [];
    let bytes = 0;
    for (const ofPartition of batches) {
      const batch = ofPartition[index];
      if (batch === undefined) continue;
      if (round.length > 0 && bytes + batch.bytes > ROUND_BYTES) {
        yield round;
        [round, bytes] = [[], 0];
      }
      round.push(batch);
      bytes += batch.bytes;
    }
    if (round.length > 0) yield round;
  }
}
