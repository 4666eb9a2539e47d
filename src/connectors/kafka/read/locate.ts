/**
 * Asks the brokers where partitions begin and end.
 *
 * @module
 */
import type { KafkaConnection } from "../client/connection.ts";
import type { Isolation } from "../properties/input_settings.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import type { WhichOffset } from "../wire/list_offsets.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { impossibleAnswer } from "../wire/wrong_answer.ts";

/** The offsets of a partition when reading begins. */
export interface PartitionOffsets extends TopicPartition {
  /** The offset of its oldest record. */
  readonly first: number;
  /** The offset after its newest record that may be read. */
  readonly last: number;
  /** The offset after its newest record, which may be in an open transaction. */
  readonly highWatermark: number;
  /** Where to start without a stored position; -1 if all records are before the timestamp. */
  readonly start: number;
}

/** The answers of brokers. Errors are by the name of the partition's position. */
export interface Located {
  readonly offsets: PartitionOffsets[];
  readonly failed: ReadonlyMap<string, unknown>;
}

/** Asks the brokers where partitions begin and end. */
export async function locate(
  partitions: readonly TopicPartition[],
  start: KafkaInputSettings["start"],
  connection: KafkaConnection,
): Promise<Located> {
  const failed = new Map<string, unknown>();
  const ask = async (which: WhichOffset, isolation?: Isolation) => {
    const listed = await connection.offsetsOf(partitions, which, isolation);
    for (const [name, error] of listed.failed) failed.set(name, error);
    return listed.found;
  };
  const [low, high, highWatermarks, from] = await Promise.all([
    ask("first"),
    ask("last"),
    ask("last", "read_uncommitted"),
    typeof start === "number" ? ask({ timestamp: start }) : null,
  ]);
  const started = from ?? (start === "beginning" ? low : high);
  const offsets = partitions.flatMap(({ topic, partition }) => {
    const name = positionName({ topic, partition });
    const [first, last, highWatermark, start] = [low, high, highWatermarks, started]
      .map((found) => found.get(name));
    if (first === undefined || last === undefined) return [];
    if (highWatermark === undefined || start === undefined) return [];
    if (first > last) {
      // This also happens if records are deleted between the two requests. Then the next try
      // succeeds.
      const what = `begins at offset ${first} and ends before offset ${last}`;
      failed.set(name, impossibleAnswer("ListOffsets", { topic, partition }, what));
      return [];
    }
    return [{ topic, partition, first, last, highWatermark, start }];
  });
  return { offsets, failed };
}
