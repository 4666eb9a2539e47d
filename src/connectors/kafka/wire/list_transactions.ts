/**
 * The ListTransactions request: the transactional ids that one broker coordinates.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** A transactional id, with the state of its last transaction. */
export interface ListedTransaction {
  readonly transactionalId: string;
  readonly producerId: bigint;
  /** Such as `Ongoing` or `CompleteCommit`. */
  readonly state: string;
}

const API_KEY = 66;
const API_NAME = "ListTransactions";

/** The version that we write and read. (Newer ones add filters.) */
const VERSION = 0;

const FLEXIBLE_FROM = 0;

/**
 * Lists the transactional ids that a broker coordinates and that we may see.
 *
 * @param states Only those in these states; in any state if empty.
 * @throws {Error} If the broker refuses.
 */
export async function listTransactions(
  broker: RequestBroker,
  states: readonly string[],
): Promise<readonly ListedTransaction[]> {
  const { errorCode, transactions } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeListTransactions(states),
    decode: decodeListTransactions,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return transactions;
}

/** The body of a request. */
export function encodeListTransactions(states: readonly string[]): Buffer {
  const out = new WireWriter(true);
  out.array(states, (state) => out.string(state));
  out.array([], () => {}); // of any producer
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeListTransactions(
  payload: Buffer,
): { errorCode: number; transactions: ListedTransaction[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const errorCode = from.int16();
  from.array(() => from.string()); // states that the broker does not know
  const transactions = from.array((): ListedTransaction => {
    const transactionalId = from.string() ?? "";
    const producerId = from.int64();
    const state = from.string() ?? "";
    from.tags();
    return { transactionalId, producerId, state };
  });
  return { errorCode, transactions, clientSideThrottleTime };
}
