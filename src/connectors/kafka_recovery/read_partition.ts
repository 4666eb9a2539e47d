/**
 * Reads a partition from its beginning to where it ends now, what was committed only.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import type { StoredBatch, StoredRecord } from "../kafka/wire/read_batch.ts";
import { type FetchedPartition, fetchPartition } from "../kafka/wire/fetch.ts";
import { FetchedBatches } from "../kafka/read/fetched_batches.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { committedBatches } from "../kafka/read/transactions.ts";
import { WaitingBatch } from "../kafka/read/waiting_batch.ts";
import { DAMAGED } from "./place.ts";

const FETCH_BYTES = 4 << 20;
const WAIT_MS = 100;

/** How long to wait for a transaction to be worked off by the broker. */
const PATIENCE_MS = 30_000;

/**
 * The records, in order, some at a time. They are views on what was fetched.
 *
 * @param connection Must read uncommitted: it says where the partition ends. That may be behind markers
 * which the broker has yet to write for a transaction that it has called committed.
 */
export async function* readPartition(
  connection: KafkaConnection,
  of: TopicPartition,
): AsyncGenerator<StoredRecord[]> {
  const { topic, partition } = of;
  const [start, end] = await Promise.all([
    connection.offsets([of], "first"),
    connection.offsets([of], "last"),
  ]);
  const asked = { fetched: start.get(positionName(of))!, maxBytes: FETCH_BYTES };
  const batchesOf = new FetchedBatches(true);
  const to = end.get(positionName(of))!;
  let deadline = performance.now() + PATIENCE_MS;
  while (asked.fetched < to) {
    const leader = (await connection.leaders(topic)).get(partition)!;
    const answer = await fetchPartition(
      await connection.broker(leader),
      { topic, topicId: null, partition, offset: asked.fetched, maxBytes: asked.maxBytes },
      { maxWaitMs: WAIT_MS, minBytes: 1, maxBytes: asked.maxBytes, isolation: "read_committed" },
    );
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
    let records: StoredRecord[];
    try {
      const batches = batchesOf.of(answer, asked);
      if (batches.length === 0 && answer.records.length > 0) continue; // to be asked for again
      records = recordsOf(batches, answer.aborted, asked.fetched);
      asked.fetched = (batches.at(-1)?.lastOffset ?? asked.fetched - 1) + 1;
      if (batches.length > 0) deadline = performance.now() + PATIENCE_MS;
    } catch (cause) {
      throw new Error(
        `"${topic}", partition ${partition} cannot be read from offset ${asked.fetched} on: ` +
          `${messageOf(cause)}. Its store is lost: ${DAMAGED}`,
        { cause },
      );
    }
    if (records.length > 0) yield records;
    if (answer.records.length > 0) continue;
    // What was between here and the end has been compacted away.
    if (answer.lastStableOffset >= to) return;
    if (performance.now() < deadline) continue;
    throw new Error(
      `a transaction on "${topic}", partition ${partition} has been open for long: does something ` +
        "else write to it?",
    );
  }
}

/** The records of committed batches, from an offset on: a batch comes whole, also its first records. */
function recordsOf(
  batches: readonly StoredBatch[],
  aborted: FetchedPartition["aborted"],
  from: number,
): StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const batch of committedBatches(batches, aborted)) {
    for (const cursor of new WaitingBatch(batch).read(false)) {
      while (!cursor.done) {
        const record = cursor.read();
        if (record.offset >= from) records.push(record);
      }
    }
  }
  return records;
}
