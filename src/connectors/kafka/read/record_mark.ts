/**
 * Whether a partition still has a record that was read from it. On brokers where topics have no
 * ids, that shows whether a topic is still the same one.
 *
 * A record never changes: compaction and retention only remove it. So another record at its offset
 * proves another topic, or a log that has lost records. The same record, or none, proves nothing,
 * and reading goes on.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type LogBatch, type LogRecord, readBatches } from "../wire/read_batch.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { crc32c } from "../wire/crc32c.ts";
import { fetchPartition } from "../wire/fetch.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import type { TopicPartition } from "../wire/topic_partition.ts";
import { WaitingBatch } from "./waiting_batch.ts";

/** A record that was read. */
export interface RecordMark {
  readonly offset: number;
  /** A checksum of its timestamp, key and value. */
  readonly check: number;
}

/** The mark of a record. */
export function markOf({ offset, timestamp, key, value }: LogRecord): RecordMark {
  const parts = Buffer.alloc(24);
  parts.writeDoubleBE(timestamp, 0);
  parts.writeDoubleBE(key === null ? -1 : crc32c(key, 0, key.length), 8);
  parts.writeDoubleBE(value === null ? -1 : crc32c(value, 0, value.length), 16);
  return { offset, check: crc32c(parts, 0, parts.length) };
}

const OFFSET_OUT_OF_RANGE = 1;

/** The mark of the first record from an offset on; `null` if there is none that can be read. */
export function firstMark(batches: readonly WaitingBatch[], from: number): RecordMark | null {
  try {
    for (const batch of batches) {
      for (const cursor of batch.read(false)) {
        while (!cursor.done) {
          const record = cursor.read();
          if (record.offset >= from) return markOf(record);
        }
      }
    }
  } catch {
    return null; // reading reports the damage when it gets there
  }
  return null;
}

/** What a partition has at a mark's offset. */
export type FoundRecord =
  /** The record of the mark. */
  | "same"
  | "other"
  /** None: it was removed, or the partition is shorter. */
  | "none"
  /** The partition has no leader to ask, or what it has is damaged. */
  | "unknown";

/** Asks what a partition has at a mark's offset. */
export async function findRecord(
  connection: KafkaConnection,
  { topic, partition }: TopicPartition,
  mark: RecordMark,
): Promise<FoundRecord> {
  const leader = (await connection.leaders(topic)).get(partition);
  if (leader === undefined || leader < 0) return "unknown";
  const answer = await fetchPartition(
    await connection.broker(leader),
    // The first batch comes whole, however few bytes are requested.
    { topic, topicId: null, partition, offset: mark.offset, maxBytes: 1 },
    { maxWaitMs: 0, minBytes: 0, maxBytes: 1, isolation: "read_uncommitted" },
  );
  if (answer.errorCode === OFFSET_OUT_OF_RANGE) return "none";
  if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
  try {
    return findIn(readBatches(answer.records, true), mark);
  } catch {
    return "unknown"; // reading reports the damage when it gets there
  }
}

function findIn(batches: readonly LogBatch[], mark: RecordMark): FoundRecord {
  for (const batch of batches) {
    if (batch.lastOffset < mark.offset) continue;
    for (const cursor of new WaitingBatch(batch).read(false)) {
      while (!cursor.done) {
        const record = cursor.read();
        if (record.offset !== mark.offset) continue;
        return markOf(record).check === mark.check ? "same" : "other";
      }
    }
    return "none";
  }
  return "none";
}
