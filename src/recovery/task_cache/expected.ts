/**
 * Which file may be used: one from which the changelog goes on without a gap.
 *
 * @module
 */

/** What the file of a task must fit to. */
export interface ExpectedCache {
  /** The app's name. */
  readonly app: string;
  /** The task's name. */
  readonly task: string;
  /** The id of the changelog topic, which a new topic of the same name does not have. */
  readonly topic: string;
  /** The first offset of the changelog's partition. */
  readonly start: bigint;
  /** The offset after its last record. */
  readonly end: bigint;
  /** How long the topic keeps the record of a forgotten key (`delete.retention.ms`). */
  readonly deleteRetentionMs: number;
}

/** What a file says of itself. */
export interface FoundCache {
  readonly app: string;
  readonly task: string;
  readonly topic: string;
  /** `null` if nothing has been written. */
  readonly offset: bigint | null;
  /** When the offset was the committed one, in milliseconds since the Unix epoch. */
  readonly committedAt: number;
}

/** Clocks may be set by this many milliseconds. */
const TOLERANCE_MS = 60_000;

/** Returns why a file must not be used, for the log; `null` if it may. */
export function whyNot(found: FoundCache, expected: ExpectedCache, now: number): string | null {
  const { offset, committedAt } = found;
  const { start, end, deleteRetentionMs } = expected;
  if (found.app !== expected.app) {
    return `it belongs to the app ${quoted(found.app)}, and this is ${quoted(expected.app)}`;
  }
  if (found.task !== expected.task) {
    return `it belongs to the task ${quoted(found.task)}, and this is ${quoted(expected.task)}`;
  }
  if (found.topic !== expected.topic) {
    return `it is of another changelog topic: that has the id ${found.topic}, and the topic of ` +
      `the same name now has ${expected.topic}`;
  }
  if (offset === null) return null;
  if (offset < start) {
    return `it goes up to offset ${offset} of the changelog, which now begins at ${start}`;
  }
  if (offset > end) {
    return `it goes up to offset ${offset} of the changelog, which now ends at ${end}`;
  }
  // With nothing after it, no record can have been compacted away.
  if (offset === end) return null;
  const age = now - committedAt;
  if (age < -TOLERANCE_MS) return "it is from a time that the machine's clock has not reached";
  if (age > deleteRetentionMs / 2) {
    return `it is ${hours(age)} old, and the topic keeps the records of forgotten keys for ` +
      `${hours(deleteRetentionMs)} only (delete.retention.ms): a file is used for half that time`;
  }
  return null;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function hours(ms: number): string {
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
