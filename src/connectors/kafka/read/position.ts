/**
 * How far a partition has been read, in the form that is stored.
 *
 * An offset alone means nothing once the topic has been deleted and created again under its name.
 * The record there is another one, and the new records before it have never been read. So each
 * position also identifies its topic.
 */
import type { RecordMark } from "./record_mark.ts";

/** A partition's position: plain data. */
export interface KafkaPosition {
  /** The next offset to read. */
  readonly offset: bigint;
  /** The topic's id, if the broker has one (Kafka 2.8 and later). */
  readonly topicId?: string;
  /** Without an id: a record before the offset, by which to recognise the topic. */
  readonly record?: RecordMark;
}

/** A position in the form that is stored. `mark` counts only without an id. */
export function storedPosition(
  offset: number,
  topicId: string | null,
  mark: RecordMark | null,
): KafkaPosition {
  if (topicId !== null) return { offset: BigInt(offset), topicId };
  return mark === null ? { offset: BigInt(offset) } : { offset: BigInt(offset), record: mark };
}
