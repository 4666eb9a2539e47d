/**
 * Where reading a partition starts and ends.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import type { Place, Positions } from "../../graph/contracts.ts";
import type { KafkaConnection } from "./connection.ts";
import type { KafkaPosition } from "./position.ts";
import type { RecordMark } from "./record_mark.ts";
import type { KafkaInputSettings } from "./settings.ts";
import { positionName, type TopicPartition } from "./topic_partition.ts";

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
  /** Whether the broker had no more when it answered last, in open transactions neither. */
  caughtUp: boolean;
  /** Where to end; `null` for never. */
  end: number | null;
  /** How many bytes to ask for. */
  maxBytes: number;
  /** Where there is no id: a record that is known to be of this topic; `null` before the first. */
  mark: RecordMark | null;
  /** Where there is no id: the record that was handed out last, by an earlier run where this has none. */
  last: RecordMark | null;
}

/** What of a topic is read. */
export interface TopicRead {
  /** Its id; `null` where the broker has none. */
  readonly topicId: string | null;
  /** Whether it has been created again: stored positions are not its own. */
  readonly isReplaced: boolean;
}

/** The partitions that are this worker's: number `p` goes to worker `p mod workerCount`. */
export async function partitionsOf(
  { topics }: KafkaInputSettings,
  { workerIndex, workerCount }: Place,
  connection: KafkaConnection,
): Promise<TopicPartition[]> {
  const mine: TopicPartition[] = [];
  for (const topic of topics) {
    const partitions = [...(await connection.leaders(topic)).keys()].sort((a, b) => a - b);
    for (const partition of partitions) {
      if (partition % workerCount === workerIndex) mine.push({ topic, partition });
    }
  }
  return mine;
}

/** Asks the brokers about partitions. */
export async function fetchOffsets(
  partitions: readonly TopicPartition[],
  start: KafkaInputSettings["start"],
  connection: KafkaConnection,
): Promise<PartitionOffsets[]> {
  if (partitions.length === 0) return [];
  const low = await connection.offsets(partitions, { fromBeginning: true });
  const high = await connection.offsets(partitions, { fromBeginning: false });
  const highWatermarks = await connection.highWatermarks(partitions);
  const started = start === "beginning"
    ? low
    : start === "end"
    ? high
    : await connection.offsets(partitions, { fromTimestamp: start });
  return partitions.map((partition) => {
    const name = positionName(partition);
    const [first, last, from] = [low.get(name)!, high.get(name)!, started.get(name)!];
    return { ...partition, first, last, highWatermark: highWatermarks.get(name)!, start: from };
  });
}

/**
 * Where each partition starts and ends. Positions are always numbers.
 *
 * @throws {Error} If a stored position is not on the broker, and nothing was said of what to do then.
 */
export function startingStates(
  { tail, input }: KafkaInputSettings,
  resume: Positions,
  offsets: readonly PartitionOffsets[],
  topicOf: (topic: string) => TopicRead,
  log: Log,
): PartitionState[] {
  const { offsetReset } = input;
  return offsets.map(({ topic, partition, first, last, highWatermark, start }) => {
    const name = positionName({ topic, partition });
    const { topicId, isReplaced } = topicOf(topic);
    const stored = isReplaced ? undefined : resume.get(name) as KafkaPosition | undefined;
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
      caughtUp: false,
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
