/**
 * Topics that are read long after they were written. Each partition is in the order of time, and
 * all of them have the same span. What is read first depends on sizes and chance.
 */
import type { NewRecord } from "./kafka.ts";

/** A record of such a topic. */
export interface BacklogRecord {
  readonly partition: number;
  readonly offset: number;
  /** In milliseconds since the Unix epoch. */
  readonly at: number;
}

/** When the first record was written; not on a boundary of windows. */
export const T0 = 1_767_225_988_561;

const MINUTE_MS = 60_000;

/** How far the first records of two partitions lie apart. */
const APART_MS = 50;

/** Returns records for partitions of these sizes over `spanMs`, in the order of their times. */
export function backlogOf(sizes: readonly number[], spanMs: number): BacklogRecord[] {
  return sizes.flatMap((size, partition) =>
    Array.from({ length: size }, (_, offset): BacklogRecord => ({
      partition,
      offset,
      at: T0 + partition * APART_MS + Math.floor(offset * spanMs / size),
    }))
  ).sort((a, b) => a.at - b.at);
}

/** Returns records to write, as they were before with other values. */
export function toWrite(records: readonly BacklogRecord[]): NewRecord[] {
  const value = "x".repeat(100);
  return records.map(({ partition, at }) => ({ partition, timestamp: at, value }));
}

/** The key of a record: each key is in all partitions. */
export function keyOf({ offset }: { readonly offset: number | bigint }): string {
  return `k${Number(offset) % 5}`;
}

/** Returns when the minute of a time begins. */
export function minuteOf(at: number): number {
  return at - at % MINUTE_MS;
}

/** Returns the right windows, a line for each: `KEY BEGINNING COUNT`. */
export function minutesOf(records: readonly BacklogRecord[]): string[] {
  const counts = new Map<string, number>();
  for (const record of records) {
    const name = `${keyOf(record)} ${minuteOf(record.at)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([name, count]) => `${name} ${count}`).sort();
}
