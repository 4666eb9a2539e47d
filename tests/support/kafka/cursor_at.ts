/** A cursor at an offset, fetched by broker 0. */
import {
  type CursorStart,
  PartitionCursor,
} from "../../../src/connectors/kafka/read/partition_cursor.ts";

export function cursorAt(start: number, given: Partial<CursorStart> = {}): PartitionCursor {
  const usual = { topic: "topic", partition: 0, topicId: null, end: null, maxBytes: 1 << 20 };
  const cursor = new PartitionCursor({ ...usual, start, ...given });
  if (cursor.state !== "ended") cursor.assign(0);
  return cursor;
}

/** Makes a cursor fetch up to an offset. */
export function fetchTo(cursor: PartitionCursor, next: number): void {
  cursor.took(cursor.fetched, next);
}
