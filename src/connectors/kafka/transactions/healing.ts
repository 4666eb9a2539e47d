/**
 * Commits what a run before has prepared, and a store has. So the output of an epoch is visible
 * before the next one begins, wherever the run before has ended.
 *
 * A commit may be repeated as long as nothing else has been done with the transactional id. So it
 * does not matter whether the run before has committed the transaction, or another attempt has.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import { errorName } from "../client/errors.ts";
import type { TransactionIdentity } from "../wire/init_producer_id.ts";
import type { StoredTransaction } from "./ids.ts";
import { isLost } from "./lost.ts";

/** What healing needs of a cluster. */
export interface HealingCluster {
  /** Commits a transaction. Repeats that while its coordinator is away. */
  end(transaction: TransactionIdentity, how: "commit"): Promise<void>;
  /** Returns what has become of a transaction. */
  evidenceOf(transaction: TransactionIdentity): Promise<string>;
}

/** What healing needs to know of the output. */
export interface HealingOptions {
  readonly topic: string;
  /** The epoch whose output the user does without, if it is lost; absent for none. */
  readonly acceptLostEpoch?: number;
  readonly log: Log;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** The broker has dropped a transaction whose epoch the store has. */
export class LostTransactionError extends Error {
  override readonly name = "LostTransactionError";
}

/**
 * Commits a transaction that a store has.
 *
 * @throws {LostTransactionError} If the broker has dropped it.
 * @throws {Error} If the broker does not answer in time.
 */
export async function heal(
  cluster: HealingCluster,
  transaction: StoredTransaction,
  options: HealingOptions,
): Promise<void> {
  const { transactionalId, producerId, producerEpoch, epoch } = transaction;
  try {
    await cluster.end({ transactionalId, producerId, producerEpoch }, "commit");
  } catch (error) {
    if (!isLost(error)) throw error;
    const loss = await describeLoss(cluster, transaction, error, options);
    if (options.acceptLostEpoch === epoch) options.log.warn(`${loss}; continuing without it`);
    else {
      throw new LostTransactionError(
        `${loss}; to continue without it, give the output acceptLostEpoch: ${epoch}`,
        { cause: error },
      );
    }
  }
}

/** Returns what has become of a transaction, as far as it is known. */
async function describeLoss(
  cluster: HealingCluster,
  transaction: StoredTransaction,
  cause: unknown,
  { topic, now }: HealingOptions,
): Promise<string> {
  const { transactionalId, epoch, openedAt, timeoutMs } = transaction;
  const output = `the output of epoch ${epoch} to topic "${topic}"`;
  const what = errorName(cause) === "INVALID_PRODUCER_ID_MAPPING"
    ? `nobody knows whether ${output} was committed`
    : `${output} cannot be committed any more, and the recovery store has the state after it`;
  const age = inWords(Math.max(now() - openedAt, 0));
  return `${what}: ${await cluster.evidenceOf(
    transaction,
  )} (its transaction began ${age} ago, at ` +
    `${new Date(openedAt).toISOString()}, with a timeout of ${inWords(timeoutMs)}; transactional ` +
    `id ${transactionalId}, ${errorName(cause)})`;
}

/** A duration as people say it: `15 min`. */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
