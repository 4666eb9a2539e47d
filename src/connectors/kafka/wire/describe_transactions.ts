/**
 * The DescribeTransactions request: the state of transactions, by their transactional ids.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** The state of a transactional id. */
export interface DescribedTransaction extends TransactionIdentity {
  /** The protocol's code; 0 if there is no error. With an error, nothing else is known. */
  readonly errorCode: number;
  /** Such as `Ongoing` or `CompleteCommit`. */
  readonly state: string;
  readonly timeoutMs: number;
  /** When it began, in milliseconds since the Unix epoch; -1 if none is open. */
  readonly startedAt: number;
  /** Partitions that it writes to, without those that we may not see. */
  readonly partitions: readonly TopicPartition[];
}

const API_KEY = 65;

/** The version that we write and read. */
const VERSION = 0;

const FLEXIBLE_FROM = 0;

/** Asks for the state of transactional ids. `broker` is the coordinator of all of them. */
export async function describeTransactions(
  broker: RequestBroker,
  ids: readonly string[],
): Promise<readonly DescribedTransaction[]> {
  const { transactions } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "DescribeTransactions",
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeDescribeTransactions(ids),
    decode: decodeDescribeTransactions,
  });
  return transactions;
}

/** The body of a request. */
export function encodeDescribeTransactions(ids: readonly string[]): Buffer {
  const out = new WireWriter(true);
  out.array(ids, (id) => out.string(id));
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeDescribeTransactions(
  payload: Buffer,
): { transactions: DescribedTransaction[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const transactions = from.array((): DescribedTransaction => {
    const errorCode = from.int16();
    const transactionalId = from.string() ?? "";
    const state = from.string() ?? "";
    const timeoutMs = from.int32();
    const startedAt = Number(from.int64());
    const producerId = from.int64();
    const producerEpoch = from.int16();
    const partitions = from.array(() => {
      const topic = from.string() ?? "";
      const each = from.array(() => ({ topic, partition: from.int32() }));
      from.tags();
      return each;
    }).flat();
    from.tags();
    return {
      errorCode,
      transactionalId,
      state,
      timeoutMs,
      startedAt,
      producerId,
      producerEpoch,
      partitions,
    };
  });
  return { transactions, clientSideThrottleTime };
}
