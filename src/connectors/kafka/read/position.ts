/**
 * How far a partition has been read, as it is stored.
 *
 * An offset alone means nothing once the topic has been deleted and created again under its name:
 * the record there is another one, and those before it have never been read. So each position also
 * says which topic it belongs to.
 *
 * @module
 */
import type { RecordMark } from "./record_mark.ts";

/** A partition's position: plain data. */
export interface KafkaPosition {
  /** The next offset to read. */
  readonly offset: bigint;
  /** The topic's id, where the broker has one (Kafka 2.8 and later). */
  readonly topicId?: string;
  /** Without an id: a record before the offset, by which to know the topic again. */
  readonly record?: RecordMark;
}

/** A position as it is stored. `mark` counts only if there is no id. */
export function storedPosition(
  offset: number,
  topicId: string | null,
  mark: RecordMark | null,
): KafkaPosition {
  if (topicId !== null) return { offset: BigInt(offset), topicId };
  return mark === null ? { offset: BigInt(offset) } : { offset: BigInt(offset), record: mark };
}
