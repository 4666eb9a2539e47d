/**
 * Where reading a partition starts and ends.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { Place } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import type { WhichOffset } from "../wire/list_offsets.ts";
import type { KafkaPosition } from "./position.ts";
import type { Isolation } from "../properties/input_settings.ts";
import type { RecordMark } from "./record_mark.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { impossibleAnswer } from "../wire/wrong_answer.ts";

/** What the broker says of a partition when reading begins. */
export interface PartitionOffsets extends TopicPartition {
  /** Of its oldest record. */
  readonly first: number;
  /** After its newest record that may be read. */
  readonly last: number;
  /** After its newest record, which may be in an open transaction. */
  readonly highWatermark: number;
  /** Where to start without a stored position; -1 where there is no record as late as the timestamp. */
  readonly start: number;
}

/** How far reading a partition has come. */
export interface PartitionState extends TopicPartition {
  /** What its position is called. */
  readonly name: string;
  /** The id of the topic that is read; `null` where the broker has none. */
  readonly topicId: string | null;
  readonly start: number;
  /** The next offset to ask for. */
  fetched: number;
  /** The offset after what has been handed out. */
  handedOut: number;
  /** Where to end; `null` for never. */
  end: number | null;
  /** How many bytes to ask for. */
  maxBytes: number;
  /** Where there is no id: a record that is known to be of this topic; `null` before the first. */
  mark: RecordMark | null;
  /** Where there is no id: the record that was handed out last, by an earlier run where this has none. */
  last: RecordMark | null;
}

/** Where a partition comes from. */
export interface Origin {
  /** The id of its topic; `null` where the broker has none. */
  readonly topicId: string | null;
  /** Whether the topic has been created again: a stored position is not its own. */
  readonly isReplaced: boolean;
  /** Where an earlier run has read to. */
  readonly stored: KafkaPosition | undefined;
}

/** A partition of which nobody knows yet where it begins and ends: the broker that leads it is away. */
export interface PendingPartition extends TopicPartition, Pick<Origin, "isReplaced" | "stored"> {
  /** Where to start without a stored position. */
  readonly start: KafkaInputSettings["start"];
}

/** The partitions of a topic that are this worker's: number `p` goes to worker `p mod workerCount`. */
export function partitionsOf(
  leaders: ReadonlyMap<number, number>,
  { workerIndex, workerCount }: Place,
): number[] {
  return [...leaders.keys()].filter((partition) => partition % workerCount === workerIndex)
    .sort((a, b) => a - b);
}

/** What brokers say of partitions. What went wrong is by the name of the partition's position. */
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
      // Also where records are deleted between the two requests: the next try is right then.
      const what = `begins at offset ${first} and ends before offset ${last}`;
      failed.set(name, impossibleAnswer("ListOffsets", { topic, partition }, what));
      return [];
    }
    return [{ topic, partition, first, last, highWatermark, start }];
  });
  return { offsets, failed };
}

/**
 * Where each partition starts and ends. Positions are always numbers.
 *
 * @throws {Error} If a stored position is not on the broker, and nothing was said of what to do then.
 */
export function startingStates(
  { tail, input }: KafkaInputSettings,
  offsets: readonly PartitionOffsets[],
  originOf: (name: string) => Origin,
  log: Log,
): PartitionState[] {
  const { offsetReset } = input;
  return offsets.map(({ topic, partition, first, last, highWatermark, start }) => {
    const name = positionName({ topic, partition });
    const { topicId, isReplaced, stored: before } = originOf(name);
    const stored = isReplaced ? undefined : before;
    let from = start < 0 ? last : start;
    if (isReplaced) from = offsetReset === "end" ? last : first;
    else if (stored !== undefined) {
      from = Number(stored.offset);
      // A run that read uncommitted may have read on into transactions that are still open.
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
    return {
      topic,
      partition,
      name,
      topicId,
      start: from,
      fetched: from,
      handedOut: from,
      end: tail ? null : last,
      maxBytes: input.partitionMaxBytes,
      mark: null,
      last: stored?.record ?? null,
    };
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
