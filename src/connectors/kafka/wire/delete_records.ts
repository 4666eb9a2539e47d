/**
 * The DeleteRecords request: drops the oldest records of partitions.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type PartitionCode, readPartitionCodes, throwFirst } from "./partition_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { requireAnswers } from "./wrong_answer.ts";

const API_KEY = 21;
const API_NAME = "DeleteRecords";

/** Versions that we write and read. */
const OLDEST = 0;
const NEWEST = 2;

const FLEXIBLE_FROM = 2;

/** Where a partition is to begin. */
export interface RecordsBefore extends TopicPartition {
  /** All records before this offset are dropped. */
  readonly before: bigint;
}

/**
 * Drops the oldest records of partitions. `broker` is their leader.
 *
 * @param timeoutMs How long the other replicas may take, in milliseconds.
 * @throws {Error} If the broker refuses one of them.
 */
export async function deleteRecords(
  broker: RequestBroker,
  partitions: readonly RecordsBefore[],
  timeoutMs: number,
): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeDeleteRecords(partitions, timeoutMs, version),
    decode: decodeDeleteRecords,
  });
  requireAnswers(API_NAME, partitions, results);
  throwFirst(API_NAME, results);
}

/** The body of a request. */
export function encodeDeleteRecords(
  partitions: readonly RecordsBefore[],
  timeoutMs: number,
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.array([...Map.groupBy(partitions, ({ topic }) => topic)], ([topic, each]) => {
    out.string(topic);
    out.array(each, ({ partition, before }) => {
      out.int32(partition);
      out.int64(before);
      out.tags();
    });
    out.tags();
  });
  out.int32(timeoutMs);
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeDeleteRecords(
  payload: Buffer,
  version: number,
): { results: PartitionCode[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  // Where the partition begins now.
  const results = readPartitionCodes(from, (each) => each.int64());
  from.tags();
  return { results, clientSideThrottleTime: version >= 1 ? throttle : 0 };
}
