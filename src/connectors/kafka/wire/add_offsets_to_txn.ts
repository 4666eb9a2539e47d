/**
 * The AddOffsetsToTxn request: a consumer group to which a transaction is about to commit.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { decodeCode, FLEXIBLE_FROM, writeIdentity } from "./transaction_answers.ts";
import { WireWriter } from "./wire.ts";

const API_KEY = 25;
const API_NAME = "AddOffsetsToTxn";

/** Versions that we write and read. (4 only adds errors of the newer protocol, KIP-890.) */
const OLDEST = 0;
const NEWEST = 3;

/**
 * Adds a consumer group to a transaction. `broker` is the transaction's coordinator.
 *
 * @throws {Error} If the broker refuses.
 */
export async function addOffsetsToTxn(
  broker: RequestBroker,
  transaction: TransactionIdentity,
  groupId: string,
): Promise<void> {
  const { errorCode } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeAddOffsetsToTxn(transaction, groupId, version),
    decode: decodeCode,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
}

/** The body of a request. */
export function encodeAddOffsetsToTxn(
  transaction: TransactionIdentity,
  groupId: string,
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  writeIdentity(out, transaction);
  out.string(groupId);
  out.tags();
  return out.written;
}
