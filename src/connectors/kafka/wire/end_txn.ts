/**
 * The EndTxn request: commits or aborts a transaction.
 *
 * A commit may be repeated, by another process too, as long as nothing else has used the
 * transactional id. The broker then returns no error.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { decodeCode, FLEXIBLE_FROM, writeIdentity } from "./transaction_answers.ts";
import { WireWriter } from "./wire.ts";

const API_KEY = 26;
const API_NAME = "EndTxn";

/**
 * Versions that we write and read. Version 5 changes the producer's epoch (KIP-890). It must not
 * end a transaction that an older version may have ended already: the broker would refuse.
 */
const OLDEST = 0;
const NEWEST = 3;

/**
 * Ends a transaction. `broker` is its coordinator. When this returns, the outcome is certain.
 * Readers may see it some milliseconds later.
 *
 * @throws {Error} If the broker refuses.
 */
export async function endTxn(
  broker: RequestBroker,
  transaction: TransactionIdentity,
  how: "commit" | "abort",
): Promise<void> {
  const { errorCode } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeEndTxn(transaction, how, version),
    decode: decodeCode,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
}

/** The body of a request. */
export function encodeEndTxn(
  transaction: TransactionIdentity,
  how: "commit" | "abort",
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  writeIdentity(out, transaction);
  out.boolean(how === "commit");
  out.tags();
  return out.written;
}
