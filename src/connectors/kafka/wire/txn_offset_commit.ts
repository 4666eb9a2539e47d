/**
 * The TxnOffsetCommit request: positions that a consumer group has once the transaction is
 * committed.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { throwFirst } from "./partition_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { decodePartitionCodes, FLEXIBLE_FROM } from "./transaction_answers.ts";
import { WireWriter } from "./wire.ts";
import { requireAnswers } from "./wrong_answer.ts";

const API_KEY = 28;
const API_NAME = "TxnOffsetCommit";

/** Versions that we write and read. (5 belongs to the newer protocol, KIP-890.) */
const OLDEST = 0;
const NEWEST = 3;

/** The position of a partition: the offset of the next record. */
export type CommittedOffset = TopicPartition & { readonly offset: bigint };

/**
 * Commits positions as part of a transaction, without being a member of the group. `broker` is the
 * group's coordinator. The group must have been added to the transaction.
 *
 * @throws {Error} If the broker refuses one of them.
 */
export async function txnOffsetCommit(
  broker: RequestBroker,
  transaction: TransactionIdentity,
  groupId: string,
  offsets: readonly CommittedOffset[],
): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeTxnOffsetCommit(transaction, groupId, offsets, version),
    decode: decodePartitionCodes,
  });
  requireAnswers(API_NAME, offsets, results);
  throwFirst(API_NAME, results);
}

/** The body of a request. */
export function encodeTxnOffsetCommit(
  { transactionalId, producerId, producerEpoch }: TransactionIdentity,
  groupId: string,
  offsets: readonly CommittedOffset[],
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.string(transactionalId);
  out.string(groupId);
  out.int64(producerId);
  out.int16(producerEpoch);
  if (version >= 3) {
    out.int32(-1); // we are not a member, so there is no generation,
    out.string(""); // no member id,
    out.string(null); // and no instance id
  }
  out.array([...Map.groupBy(offsets, ({ topic }) => topic)], ([topic, committed]) => {
    out.string(topic);
    out.array(committed, ({ partition, offset }) => {
      out.int32(partition);
      out.int64(offset);
      if (version >= 2) out.int32(-1); // the leader's epoch, which we do not keep
      out.string(""); // metadata
      out.tags();
    });
    out.tags();
  });
  out.tags();
  return out.written;
}
