/**
 * The errors that end a run because reading on would skip records, or read what it may not.
 *
 * @module
 */
import { isFatal, messageOfKafka } from "../client/errors.ts";
import { TopicReplacedError } from "../client/topic_watch.ts";
import { PAST_DAMAGE } from "../wire/damage.ts";
import type { TopicPartition } from "../wire/topic_partition.ts";

/** Ends the run, as going on would skip records. */
export class Unrecoverable extends Error {}

/** The error for topics that we may not or cannot read. */
export function cannotRead(topics: Iterable<string>, cause: unknown): Unrecoverable {
  const names = Array.from(topics, (topic) => `"${topic}"`).join(", ");
  return new Unrecoverable(`cannot read topic ${names}: ${messageOfKafka(cause)}`, { cause });
}

/** The error for a partition that is unreadable from an offset on. */
export function unreadable(
  { topic, partition }: TopicPartition,
  offset: number,
  cause: unknown,
): Unrecoverable {
  if (cause instanceof Unrecoverable) return cause; // it is complete
  return new Unrecoverable(
    `topic "${topic}", partition ${partition} cannot be read from offset ${offset} on: ` +
      `${messageOfKafka(cause)}. ${PAST_DAMAGE}`,
    { cause },
  );
}

/** The error for a position in records that were deleted before they were read. */
export function deletedUnread(
  { topic, partition }: TopicPartition,
  position: number,
  { first, last }: { readonly first: number; readonly last: number },
): Unrecoverable {
  return new Unrecoverable(
    `position ${position} of topic "${topic}", partition ${partition} is not on the broker ` +
      `any more, which has ${first} to ${last}: records were deleted before they were read (to ` +
      `go on all the same, set the property "auto.offset.reset" to earliest or latest)`,
  );
}

/**
 * Returns if another attempt may succeed.
 *
 * @param topics What the error is about, if it does not name a topic itself.
 * @throws The error that ends the run, otherwise.
 */
export function requireHope(error: unknown, topics: readonly string[]): void {
  if (error instanceof Unrecoverable || error instanceof TopicReplacedError) throw error;
  if (!isFatal(error)) return;
  const { topic } = error as { topic?: string };
  throw cannotRead(topic === undefined ? topics : [topic], error);
}
