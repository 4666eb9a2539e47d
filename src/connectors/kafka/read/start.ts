/**
 * Where reading a partition starts and ends.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName } from "../wire/topic_partition.ts";
import type { PartitionOffsets } from "./locate.ts";
import { PartitionCursor } from "./partition_cursor.ts";
import type { KafkaPosition } from "./position.ts";

/** The topic of a partition, and its stored position. */
export interface Origin {
  /** The id of its topic; `null` if the broker has none. */
  readonly topicId: string | null;
  /** Whether the topic has been created again, so that a stored position is not its own. */
  readonly isReplaced: boolean;
  /** How far an earlier run has read. */
  readonly stored: KafkaPosition | undefined;
}

/**
 * A cursor for each partition, at the offset where reading starts.
 * @throws {Error} If the broker does not have a stored position, and no property tells where to
 * continue.
 */
export function startingCursors(
  { tail, input }: KafkaInputSettings,
  offsets: readonly PartitionOffsets[],
  originOf: (name: string) => Origin,
  log: Log,
): PartitionCursor[] {
  const { offsetReset } = input;
  return offsets.map(({ topic, partition, first, last, highWatermark, start }) => {
    const name = positionName({ topic, partition });
    const { topicId, isReplaced, stored: before } = originOf(name);
    const stored = isReplaced ? undefined : before;
    let from = start < 0 ? last : start;
    if (isReplaced) from = offsetReset === "end" ? last : first;
    else if (stored !== undefined) {
      from = Number(stored.offset);
      // A run that read uncommitted records may have read on into transactions that are still open.
      if (from < first || from > highWatermark) {
        if (offsetReset === "error") throw outOfRange(topic, partition, from, first, highWatermark);
        const goesOnAt = offsetReset === "beginning" ? first : last;
        log.warn("position lost: records were deleted before they were read", {
          topic,
          partition,
          position: from,
          goesOnAt,
        });
        from = goesOnAt;
      }
    }
    return new PartitionCursor({
      topic,
      partition,
      topicId,
      start: from,
      end: tail ? null : last,
      maxBytes: input.partitionMaxBytes,
      lastRecord: stored?.record,
    });
  });
}

function outOfRange(
  topic: string,
  partition: number,
  stored: number,
  first: number,
  last: number,
): Error {
  return new Error(
    `the stored position ${stored} of topic "${topic}", partition ${partition} is not on the ` +
      `broker any more, which has ${first} to ${last}: records in between are lost (to go on ` +
      `all the same, set the property "auto.offset.reset" to earliest or latest)`,
  );
}
