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

/** Whether a partition has another record at a mark's offset. */
export async function hasOtherRecord(
  connection: KafkaConnection,
  { topic, partition }: TopicPartition,
  mark: RecordMark,
): Promise<boolean> {
  const leader = (await connection.leaders(topic)).get(partition);
  if (leader === undefined || leader < 0) return false; // it is asked again once there is a leader
  const answer = await fetchPartition(
    await connection.broker(leader),
    // The first batch comes whole, however few bytes are requested.
    { topic, topicId: null, partition, offset: mark.offset, maxBytes: 1 },
    { maxWaitMs: 0, minBytes: 0, maxBytes: 1, isolation: "read_uncommitted" },
  );
  if (answer.errorCode === OFFSET_OUT_OF_RANGE) return false;
  if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
  try {
    return hasOther(readBatches(answer.records, true), mark);
  } catch {
    return false; // damage is not another record; reading reports it when it gets there
  }
}

function hasOther(batches: readonly LogBatch[], mark: RecordMark): boolean {
  for (const batch of batches) {
    if (batch.lastOffset < mark.offset) continue;
    for (const cursor of new WaitingBatch(batch).read(false)) {
      while (!cursor.done) {
        const record = cursor.read();
        if (record.offset === mark.offset) return markOf(record).check !== mark.check;
      }
    }
    return false;
  }
  return false;
}
