/**
 * What has become of a transaction that cannot be committed any more.
 *
 * @module
 */
import { errorKind, errorName, messageOfKafka } from "../client/errors.ts";
import { type DescribedTransaction, describeTransactions } from "../wire/describe_transactions.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import type { TransactionIdentity } from "../wire/init_producer_id.ts";
import { type Brokers, transactionCoordinator } from "./coordinator.ts";
import type { Persist } from "./persist.ts";

/**
 * Returns whether a commit by identity was refused because the transaction is over. Then it was
 * aborted, or it is not known any more how it ended.
 */
export function isLost(error: unknown): boolean {
  const name = errorName(error);
  return errorKind(error) === "fenced" || name === "INVALID_TXN_STATE" ||
    name === "INVALID_PRODUCER_ID_MAPPING";
}

/**
 * What brokers know about a transaction that is over, as a sentence without its full stop. It does
 * not throw: a broker that does not tell is named too.
 */
export async function evidenceOf(
  connection: Brokers,
  identity: TransactionIdentity,
  persist: Persist,
): Promise<string> {
  const coordinator = transactionCoordinator(connection, identity.transactionalId);
  try {
    const described = await persist(() =>
      coordinator.ask(async (broker) => {
        const [first] = await describeTransactions(broker, [identity.transactionalId]);
        if (first === undefined) throw new RangeError("DescribeTransactions was not answered");
        const error = errorOfCode(first.errorCode, "DescribeTransactions");
        if (first.errorCode !== 0 && error.type !== "TRANSACTIONAL_ID_NOT_FOUND") throw error;
        return first;
      })
    );
    return whatHappened(described, identity);
  } catch (error) {
    return `the broker does not tell what has become of it (${messageOfKafka(error)})`;
  }
}

function whatHappened(now: DescribedTransaction, ours: TransactionIdentity): string {
  if (now.errorCode !== 0) {
    return "the broker has forgotten the transactional id, as it does with one that was not used for " +
      "a week (transactional.id.expiration.ms)";
  }
  const isAborted = now.state === "CompleteAbort" || now.state === "PrepareAbort";
  const nowHas =
    `it has producer ${now.producerId} with epoch ${now.producerEpoch} now, and ours is ` +
    `${ours.producerId} with ${ours.producerEpoch}`;
  if (now.producerId !== ours.producerId || now.producerEpoch < ours.producerEpoch) {
    return `the transactional id was given away after the broker had forgotten it: ${nowHas}`;
  }
  if (now.producerEpoch === ours.producerEpoch) {
    return isAborted
      ? "it was aborted in our name, by a tool or by another run with the same state"
      : `the broker says that it is in the state ${now.state}`;
  }
  return isAborted && now.producerEpoch === ours.producerEpoch + 1
    ? `Kafka has aborted it, as it was open for longer than its timeout of ${
      now.timeoutMs / 1000
    } s`
    : `the transactional id has been used since: ${nowHas}; if the store is an older copy, this ` +
      "epoch is in the topic already, and what came after it will be written again";
}
