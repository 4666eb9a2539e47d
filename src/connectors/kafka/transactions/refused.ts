/**
 * Errors of transactions that another attempt does not cure, in words.
 *
 * @module
 */
import { errorKind, errorName } from "../client/errors.ts";

/** A broker refuses a request of a transaction, and would refuse it again. */
export class TransactionRefusedError extends Error {
  override readonly name = "TransactionRefusedError";
  /** The error's name in the protocol, such as `PRODUCER_FENCED`. */
  readonly type: string;

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.type = errorName(cause);
  }
}

/** What was requested. */
interface Refused {
  readonly transactionalId: string;
  /** The requested timeout in milliseconds, if a timeout was requested. */
  readonly timeoutMs?: number;
}

/** Names the transactional id, and what to do. Other errors are returned as they are. */
export function refusedTransaction(
  error: unknown,
  { transactionalId, timeoutMs }: Refused,
): unknown {
  const id = `transactional id "${transactionalId}"`;
  const why = errorName(error) === "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    ? `no permission for transactions: allow Describe and Write on ${permitted(transactionalId)}`
    : reasonFor(errorName(error), id, timeoutMs);
  if (why !== null) return new TransactionRefusedError(why, error);
  if (errorKind(error) !== "fenced") return error;
  return new TransactionRefusedError(
    `another producer has taken over the ${id}, or the transaction was open for longer than its ` +
      "timeout",
    error,
  );
}

/** What to allow: each run has new ids (`ids.ts`), which only begin alike. */
function permitted(transactionalId: string): string {
  const [, prefix] = /^(.*)\.[0-9a-f]{8}\.\d$/s.exec(transactionalId) ?? [];
  return prefix === undefined
    ? `the transactional id "${transactionalId}"`
    : `transactional ids that begin with "${prefix}" (PREFIXED)`;
}

function reasonFor(name: string, id: string, timeoutMs?: number): string | null {
  switch (name) {
    case "INVALID_TRANSACTION_TIMEOUT":
      return `the broker does not allow transactions of ${(timeoutMs ?? 0) / 1000} s: raise its ` +
        `transaction.max.timeout.ms, or give a smaller "transaction.timeout.ms"`;
    case "INVALID_PRODUCER_ID_MAPPING":
      return `the broker has forgotten the ${id}, as it does with one that was not used for a week ` +
        "(transactional.id.expiration.ms), or has given it to another producer: a new run acquires it " +
        "again";
    case "INVALID_TXN_STATE":
      return `no transaction of the ${id} is open, or it was ended the other way`;
    default:
      return null;
  }
}
