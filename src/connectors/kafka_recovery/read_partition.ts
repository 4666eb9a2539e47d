/**
 * Reads a partition of a store from its beginning to its current end, without uncommitted records.
 *
 * @module
 */
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { readCommitted } from "../kafka/read/read_committed.ts";
import type { LogRecord } from "../kafka/wire/read_batch.ts";
import type { TopicPartition } from "../kafka/wire/topic_partition.ts";
import { DAMAGED } from "./store_topics.ts";

/**
 * The records, in order, as {@linkcode readCommitted} returns them.
 *
 * @param patienceMs How long nothing may arrive before that is an error, in milliseconds.
 * @throws {Error} If the partition is damaged, or no more arrives before its end.
 */
export function readPartition(
  connection: KafkaConnection,
  of: TopicPartition,
  options: { readonly patienceMs?: number } = {},
): AsyncGenerator<LogRecord[]> {
  return readCommitted(connection, of, { ...options, what: "a store", ifLost: DAMAGED });
}
