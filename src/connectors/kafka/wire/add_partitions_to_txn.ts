/**
 * The AddPartitionsToTxn request: partitions that a transaction is about to write to.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { throwFirst } from "./partition_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { decodePartitionCodes, FLEXIBLE_FROM, writeIdentity } from "./transaction_answers.ts";
import { WireWriter } from "./wire.ts";
import { requireAnswers } from "./wrong_answer.ts";

const API_KEY = 24;
const API_NAME = "AddPartitionsToTxn";

/** Versions that we write and read. (From 4 on, the request is one between brokers.) */
const OLDEST = 0;
const NEWEST = 3;

/**
 * Adds partitions to a transaction. `broker` is its coordinator.
 *
 * @throws {Error} If the broker refuses one of them. Then none has been added.
 */
export async function addPartitionsToTxn(
  broker: RequestBroker,
  transaction: TransactionIdentity,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeAddPartitionsToTxn(transaction, partitions, version),
    decode: decodePartitionCodes,
  });
  requireAnswers(API_NAME, partitions, results);
  throwFirst(API_NAME, results);
}

/** The body of a request. */
export function encodeAddPartitionsToTxn(
  transaction: TransactionIdentity,
  partitions: readonly TopicPartition[],
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  writeIdentity(out, transaction);
  out.array([...Map.groupBy(partitions, ({ topic }) => topic)], ([topic, added]) => {
    out.string(topic);
    out.array(added, ({ partition }) => out.int32(partition));
    out.tags();
  });
  out.tags();
  return out.written;
}
