/**
 * Reads a partition to its current end, without uncommitted records.
 *
 * @module
 */
import { messageOf } from "../../../core/errors.ts";
import type { KafkaConnection } from "../client/connection.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import { type FetchedPartition, fetchPartition } from "../wire/fetch.ts";
import type { LogBatch, LogRecord } from "../wire/read_batch.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { impossibleAnswer } from "../wire/wrong_answer.ts";
import { FetchedBatches } from "./fetched_batches.ts";
import { PartitionCursor } from "./partition_cursor.ts";
import { committedBatches } from "./transactions.ts";
import { WaitingBatch } from "./waiting_batch.ts";

const FETCH_BYTES = 4 << 20;
const WAIT_MS = 100;

/** How long nothing may arrive before that is an error, in milliseconds. */
const PATIENCE_MS = 30_000;

/** A partition cannot be read to its end, and could not be the next time. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/** How a partition is read, and what its errors say. */
export interface ReadCommittedOptions {
  /** How long nothing may arrive before that is an error, in milliseconds. */
  readonly patienceMs?: number;
  /** What to do if the partition is damaged. */
  readonly ifLost: string;
  /** What the partition has, and is lost then: `a store`. */
  readonly what: string;
  /** The first offset to read. Absent: that of the partition. */
  readonly from?: number;
  /** Where to end, at most where the partition ends at present. Absent: there. */
  readonly to?: number;
  /** Is told how far it has come: offsets from the first one on. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/**
 * The records, in order, in several arrays. They are views of what was fetched.
 *
 * @param connection Must read uncommitted records, to find the end of the partition. That may be
 * after markers that the broker has yet to write for a transaction that it has reported as
 * committed.
 * @throws {Error} If the partition is damaged, or no more arrives before its end.
 */
export async function* readCommitted(
  connection: KafkaConnection,
  of: TopicPartition,
  options: ReadCommittedOptions,
): AsyncGenerator<LogRecord[]> {
  const { patienceMs = PATIENCE_MS, ifLost, what, onProgress } = options;
  const { topic } = of;
  const offset = async (which: "first" | "last") =>
    (await connection.offsets([of], which)).get(positionName(of))!;
  const [start, end] = await Promise.all([
    options.from ?? offset("first"),
    options.to ?? offset("last"),
  ]);
  const cursor = new PartitionCursor({
    ...of,
    topicId: null,
    start,
    end: null, // whole batches are read, even one that ends later
    maxBytes: FETCH_BYTES,
  });
  const batchesOf = new FetchedBatches(true);
  let deadline = performance.now() + patienceMs;
  while (cursor.fetched < end) {
    const leader = (await connection.leaders(topic)).get(of.partition)!;
    cursor.release();
    cursor.assign(leader);
    const asked = performance.now();
    const answer = await fetchFrom(await connection.broker(leader), cursor);
    let records: LogRecord[];
    try {
      const batches = batchesOf.of(answer, cursor);
      if (batches.length === 0 && answer.records.length > 0) continue; // it is requested again
      records = recordsOf(batches, answer.aborted, cursor.fetched);
      if (batches.length > 0) {
        cursor.took(cursor.fetched, batches[batches.length - 1].lastOffset + 1);
        cursor.finish();
        deadline = performance.now() + patienceMs;
      }
    } catch (cause) {
      throw new UnreadableError(
        `"${topic}", partition ${of.partition} cannot be read from offset ${cursor.fetched} on: ` +
          `${messageOf(cause)}. It has ${what}, which is lost: ${ifLost}`,
        { cause },
      );
    }
    onProgress?.({ done: Math.min(cursor.fetched, end) - start, total: end - start });
    if (records.length > 0) yield records;
    if (answer.records.length > 0) continue;
    // An empty answer does not prove that there is nothing. Believing it would lose state.
    if (performance.now() >= deadline) throw nothingCame(cursor, answer, { end, ifLost });
    const early = Math.max(0, asked + WAIT_MS - performance.now()); // the broker should have waited
    await new Promise((resolve) => setTimeout(resolve, early));
  }
}

async function fetchFrom(
  broker: KafkaBroker,
  { topic, partition, fetched: offset, maxBytes }: PartitionCursor,
): Promise<FetchedPartition> {
  const answer = await fetchPartition(
    broker,
    { topic, topicId: null, partition, offset, maxBytes },
    { maxWaitMs: WAIT_MS, minBytes: 1, maxBytes, isolation: "read_committed" },
  );
  if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
  return answer;
}

/** The error for a partition that has more records, and sends none. */
function nothingCame(
  cursor: PartitionCursor,
  answer: FetchedPartition,
  { end, ifLost }: { readonly end: number; readonly ifLost: string },
): Error {
  const { topic, partition, fetched } = cursor;
  if (answer.lastStableOffset >= end) {
    const what = `has records up to offset ${end}, and sends none from ${fetched} on`;
    return impossibleAnswer("Fetch", cursor, what);
  }
  return new UnreadableError(
    `a transaction on "${topic}", partition ${partition} has been open for long, from offset ` +
      `${answer.lastStableOffset} on: has a run been killed? The next run ends what that was writing, ` +
      "or the broker does within five minutes. Or does something else write to it? If not, Kafka has " +
      "lost the end of an epoch, as it may when the partition has no leader (kafka-transactions.sh " +
      "find-hanging); " +
      `if that aborts the epoch, it is lost: ${ifLost}`,
  );
}

/** The records of committed batches from an offset on. A batch comes whole, with earlier ones. */
function recordsOf(
  batches: readonly LogBatch[],
  aborted: FetchedPartition["aborted"],
  from: number,
): LogRecord[] {
  const records: LogRecord[] = [];
  for (const batch of committedBatches(batches, aborted)) {
    for (const each of new WaitingBatch(batch).read(false)) {
      while (!each.done) {
        const record = each.read();
        if (record.offset >= from) records.push(record);
      }
    }
  }
  return records;
}
