/**
 * Which records of a fetch belong to aborted transactions.
 *
 * KafkaJS's own filter takes the broker's list of aborted transactions in the order of their ends and
 * opens one for each record, so that with interleaved transactions aborted records come through; and it
 * takes any data record whose key is four zero bytes for the marker of an abort. This one opens every
 * transaction that has begun by a record's offset, and closes one at a control record only.
 * (The algorithm of Kafka's own consumer: `CompletedFetch.nextFetchedRecord`.)
 *
 * @module
 */
import type { FetchedPartition, FetchedRecord } from "./kafkajs.ts";

/** The type of a control record that ends a transaction by aborting it: the second int16 of its key. */
const ABORT = 0;

/** The data records of a fetch that may be read, in order. */
export function committedRecords(fetched: FetchedPartition): readonly FetchedRecord[] {
  const { messages, abortedTransactions } = fetched;
  if (abortedTransactions.length === 0) {
    // What transactions there are have all been committed; their markers are no data.
    return messages.some(({ isControlRecord }) => isControlRecord)
      ? messages.filter(({ isControlRecord }) => !isControlRecord)
      : messages;
  }
  const begins = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: BigInt(firstOffset) }))
    .sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0));
  const open = new Set<string>();
  const kept: FetchedRecord[] = [];
  for (const record of messages) {
    const offset = BigInt(record.offset);
    while (begins.length > 0 && begins[0].firstOffset <= offset) {
      open.add(begins.shift()!.producerId);
    }
    const { producerId, inTransaction } = record.batchContext;
    if (record.isControlRecord) {
      if (record.key !== null && record.key.readInt16BE(2) === ABORT) open.delete(producerId);
    } else if (!inTransaction || !open.has(producerId)) kept.push(record);
  }
  return kept;
}
