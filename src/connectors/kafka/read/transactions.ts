/**
 * Which batches of a fetch belong to aborted transactions.
 *
 * KafkaJS's own filter has two faults. It processes the broker's list of aborted transactions in
 * the order of their ends, and opens one for each record. If transactions interleave, aborted
 * records come through. It also mistakes any data record whose key is four zero bytes for the
 * marker of an abort.
 *
 * This filter opens every transaction that has begun by a batch's last offset, and closes one only
 * at a control batch. That is the algorithm of Kafka's own consumer
 * (`CompletedFetch.nextFetchedRecord`). A batch has one producer, and so one transaction.
 *
 * @module
 */
import type { LogBatch } from "../wire/read_batch.ts";
import type { FetchedPartition } from "../wire/fetch.ts";
import { RecordCursor } from "../wire/record_cursor.ts";

/** The batches of a fetch whose records may be read, in order. */
export function committedBatches(
  batches: readonly LogBatch[],
  aborted: FetchedPartition["aborted"],
): LogBatch[] {
  const begins = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  let next = 0;
  return batches.filter((batch) => {
    while (next < begins.length && begins[next].firstOffset <= batch.lastOffset) {
      open.add(begins[next++].producerId);
    }
    if (batch.isControl) {
      if (open.has(batch.producerId) && isAbortMarker(batch)) open.delete(batch.producerId);
      return false;
    }
    return !(batch.isTransactional && open.has(batch.producerId));
  });
}

/** Whether the marker in a control batch aborts its transaction. */
function isAbortMarker(batch: LogBatch): boolean {
  if (batch.count === 0) return false; // compaction has removed the marker
  const { key } = new RecordCursor(batch, batch.records, false).read();
  return key !== null && key.length >= 4 && key[2] === 0 && key[3] === 0;
}
