/**
 * Reads a partition from its beginning to where it ends now, what was committed only.
 *
 * @module
 */
import { codecOf, decompress, LARGEST_UNPACKED } from "../kafka/compression.ts";
import type { KafkaConnection } from "../kafka/connection.ts";
import { readBatches, RecordCursor, type StoredRecord } from "../kafka/batches.ts";
import { fetchPartition } from "../kafka/fetch.ts";
import { errorOfCode } from "../kafka/kafkajs.ts";
import { positionName, type TopicPartition } from "../kafka/topic_partition.ts";
import { committedBatches } from "../kafka/transactions.ts";

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
  let at = start.get(positionName(of))!;
  const to = end.get(positionName(of))!;
  let deadline = performance.now() + PATIENCE_MS;
  while (at < to) {
    const leader = (await connection.leaders(topic)).get(partition)!;
    const answer = await fetchPartition(
      await connection.broker(leader),
      { topic, topicId: null, partition, offset: at, maxBytes: FETCH_BYTES },
      { maxWaitMs: WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES, isolation: "read_committed" },
    );
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, "Fetch");
    const batches = readBatches(answer.records, true);
    if (batches.length === 0) {
      // What was between here and the end has been compacted away.
      if (answer.lastStableOffset >= to) return;
      if (performance.now() < deadline) continue;
      throw new Error(
        `a transaction on "${topic}", partition ${partition} has been open for long: does something ` +
          "else write to it?",
      );
    }
    const records: StoredRecord[] = [];
    for (const batch of committedBatches(batches, answer.aborted)) {
      const codec = codecOf(batch.attributes);
      const cursor = new RecordCursor(
        batch,
        await decompress(codec, batch.records, LARGEST_UNPACKED),
        false,
      );
      // A batch is fetched whole, also where its first records have been read.
      while (!cursor.done) {
        const record = cursor.read();
        if (record.offset >= at) records.push(record);
      }
    }
    at = batches[batches.length - 1].lastOffset + 1;
    deadline = performance.now() + PATIENCE_MS;
    if (records.length > 0) yield records;
  }
}
