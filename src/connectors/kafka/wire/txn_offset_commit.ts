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

/** The first version that says which member of the group commits (KIP-447). */
const MEMBERS_FROM = 3;

/** The position of a partition: the offset of the next record. */
export type CommittedOffset = TopicPartition & {
  readonly offset: bigint;
  /** Any text that the group keeps with it. Brokers accept 4,096 bytes by default. */
  readonly metadata?: string;
};

/** The member of a group that commits. The broker refuses one that has lost its partitions. */
export interface CommittingMember {
  readonly memberId: string;
  /** Its epoch, or its generation in a classic group. */
  readonly epoch: number;
  /** The instance id of a static member; `null` if it has none. */
  readonly instanceId: string | null;
}

/**
 * Commits positions as part of a transaction. `broker` is the group's coordinator. The group must
 * have been added to the transaction.
 *
 * @param member Who commits; absent for somebody who is not a member of the group.
 * @throws {Error} If the broker refuses one of them.
 */
export async function txnOffsetCommit(
  broker: RequestBroker,
  transaction: TransactionIdentity,
  groupId: string,
  offsets: readonly CommittedOffset[],
  member?: CommittingMember,
): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    // An older broker would not know who commits, and so could not refuse it.
    oldest: member === undefined ? OLDEST : MEMBERS_FROM,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeTxnOffsetCommit(transaction, groupId, offsets, version, member),
    decode: decodePartitionCodes,
  });
  requireAnswers(API_NAME, offsets, results);
  throwFirst(API_NAME, results);
}

/** Somebody who is not a member has no generation. */
const NOBODY: CommittingMember = { memberId: "", epoch: -1, instanceId: null };

/** The body of a request. */
export function encodeTxnOffsetCommit(
  { transactionalId, producerId, producerEpoch }: TransactionIdentity,
  groupId: string,
  offsets: readonly CommittedOffset[],
  version: number,
  member: CommittingMember = NOBODY,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.string(transactionalId);
  out.string(groupId);
  out.int64(producerId);
  out.int16(producerEpoch);
  if (version >= MEMBERS_FROM) {
    out.int32(member.epoch);
    out.string(member.memberId);
    out.string(member.instanceId);
  }
  out.array([...Map.groupBy(offsets, ({ topic }) => topic)], ([topic, committed]) => {
    out.string(topic);
    out.array(committed, ({ partition, offset, metadata = "" }) => {
      out.int32(partition);
      out.int64(offset);
      if (version >= 2) out.int32(-1); // the leader's epoch, which we do not keep
      out.string(metadata);
      out.tags();
    });
    out.tags();
  });
  out.tags();
  return out.written;
}
