/**
 * The Fetch request, and what came of each partition.
 *
 * @module
 */
import { Buffer, type KafkaBroker, sendRequest } from "./kafkajs.ts";
import type { Isolation } from "./properties.ts";

/** What to ask of a partition. */
export interface PartitionFetch {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The most bytes; the first batch comes whole in any case, where no other partition came first. */
  readonly maxBytes: number;
}

/** What came of a partition. */
export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** The protocol's code; 0 where all is well. */
  readonly errorCode: number;
  /** After the last record that all replicas have, those in open transactions among them. */
  readonly highWatermark: number;
  /** After the last record that is not in an open transaction. */
  readonly lastStableOffset: number;
  /** Transactions that were aborted, among those whose records came. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  /** Batches, one behind the other; the last may be cut off. */
  readonly records: Buffer;
}

/** How the broker answers. */
export interface FetchOptions {
  /** How long it may wait for `minBytes`, in milliseconds. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolation: Isolation;
}

const API_KEY = 1;

/** Versions that we write and read. (KIP-896 keeps 4 in Kafka 4; zstd needs 10.) */
const OLDEST = 4;
const NEWEST = 11;

/** Asks a broker for the partitions that it leads. */
export async function fetchRecords(
  broker: KafkaBroker,
  partitions: readonly PartitionFetch[],
  options: FetchOptions,
): Promise<FetchedPartition[]> {
  const response = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "Fetch",
    oldest: OLDEST,
    newest: NEWEST,
    encode: (version) => encodeRequest(partitions, options, version),
    decode: decodeResponse,
  });
  return response.partitions;
}

function encodeRequest(
  partitions: readonly PartitionFetch[],
  { maxWaitMs, minBytes, maxBytes, isolation }: FetchOptions,
  version: number,
): Buffer {
  const topics = Map.groupBy(partitions, ({ topic }) => topic);
  const names = [...topics.keys()].reduce((sum, topic) => sum + Buffer.byteLength(topic), 0);
  const buffer: Buffer = Buffer.alloc(64 + names + 16 * topics.size + 32 * partitions.length);
  let at = buffer.writeInt32BE(-1, 0); // we are no replica
  at = buffer.writeInt32BE(maxWaitMs, at);
  at = buffer.writeInt32BE(minBytes, at);
  at = buffer.writeInt32BE(maxBytes, at);
  at = buffer.writeInt8(isolation === "read_committed" ? 1 : 0, at);
  if (version >= 7) {
    at = buffer.writeInt32BE(0, at); // no fetch session
    at = buffer.writeInt32BE(-1, at);
  }
  at = buffer.writeInt32BE(topics.size, at);
  for (const [topic, asked] of topics) {
    at = writeString(buffer, at, topic);
    at = buffer.writeInt32BE(asked.length, at);
    for (const { partition, offset, maxBytes } of asked) {
      at = buffer.writeInt32BE(partition, at);
      if (version >= 9) at = buffer.writeInt32BE(-1, at); // we do not follow the leader's epoch
      at = buffer.writeBigInt64BE(BigInt(offset), at);
      if (version >= 5) at = buffer.writeBigInt64BE(-1n, at); // only replicas have a log start
      at = buffer.writeInt32BE(maxBytes, at);
    }
  }
  if (version >= 7) at = buffer.writeInt32BE(0, at); // no topics leave the session
  if (version >= 11) at = writeString(buffer, at, ""); // no rack: leaders only
  return buffer.subarray(0, at);
}

function writeString(buffer: Buffer, at: number, text: string): number {
  const length = buffer.write(text, at + 2);
  buffer.writeInt16BE(length, at);
  return at + 2 + length;
}

interface FetchResponse {
  readonly partitions: FetchedPartition[];
  readonly clientSideThrottleTime: number;
}

function decodeResponse(payload: Buffer, version: number): FetchResponse {
  let at = 0;
  const int32 = (): number => payload.readInt32BE((at += 4) - 4);
  const int64 = (): bigint => payload.readBigInt64BE((at += 8) - 8);
  const throttle = int32();
  if (version >= 7) at += 6; // the session's error and id
  const partitions: FetchedPartition[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const length = payload.readInt16BE(at);
    const topic = payload.toString("utf8", at + 2, at + 2 + length);
    at += 2 + length;
    for (let count = int32(); count > 0; count--) {
      const partition = int32();
      const errorCode = payload.readInt16BE(at);
      at += 2;
      const highWatermark = Number(int64());
      const lastStableOffset = Number(int64());
      if (version >= 5) at += 8; // where the log starts
      const aborted: { producerId: bigint; firstOffset: number }[] = [];
      for (let transactions = int32(); transactions > 0; transactions--) {
        aborted.push({ producerId: int64(), firstOffset: Number(int64()) });
      }
      if (version >= 11) at += 4; // a preferred replica, which we do not read from
      const size = Math.max(int32(), 0);
      const records = payload.subarray(at, at + size);
      at += size;
      partitions.push({
        topic,
        partition,
        errorCode,
        highWatermark,
        lastStableOffset,
        aborted,
        records,
      });
    }
  }
  return { partitions, clientSideThrottleTime: version >= 8 ? throttle : 0 };
}
