/**
 * Which topics have been deleted and created again under their names, and what to do then.
 *
 * @module
 */
import { counted } from "../../../core/counted.ts";
import type { Log } from "../../../core/log.ts";
import type { PartitionName } from "../../../core/ids.ts";
import type { Positions } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { KafkaPosition } from "./position.ts";
import type { PartitionShare } from "./partition_share.ts";
import { findRecord } from "./record_mark.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName } from "../wire/topic_partition.ts";
import { otherId, TopicReplacedError, type TopicWatch } from "../client/topic_watch.ts";

/** A topic that is not the one that was read. */
export interface ReplacedTopic {
  readonly topic: string;
  /** How this is known, as text for use within brackets. */
  readonly evidence: string;
}

/** A partition with its stored position. */
interface StoredPartition {
  readonly topic: string;
  readonly partition: number;
  readonly position: KafkaPosition;
}

/** The stored positions of a topic, including those of partitions that it no longer has. */
export function positionsIn(topic: string, resume: Positions): StoredPartition[] {
  const found: StoredPartition[] = [];
  for (const [name, position] of resume as ReadonlyMap<PartitionName, KafkaPosition>) {
    const partition = Number(name.slice(name.lastIndexOf("-") + 1));
    if (name === positionName({ topic, partition })) found.push({ topic, partition, position });
  }
  return found;
}

/** The topics that have been replaced since positions were stored. */
export async function replacedSince(
  resume: Positions,
  { topics }: KafkaInputSettings,
  watch: TopicWatch,
  connection: KafkaConnection,
): Promise<ReplacedTopic[]> {
  const replaced: ReplacedTopic[] = [];
  for (const topic of topics) {
    const stored = positionsIn(topic, resume);
    if (stored.length === 0) continue;
    const count = (await connection.leaders(topic)).size;
    const evidence = otherTopic(stored, watch.idOf(topic), count) ??
      await otherRecord(stored, connection);
    if (evidence !== null) replaced.push({ topic, evidence });
  }
  return replaced;
}

/**
 * Evidence that stored positions belong to another topic than the one with this id and partitions.
 */
export function otherTopic(
  stored: readonly StoredPartition[],
  topicId: string | null,
  partitions: number,
): string | null {
  let isSame = false;
  for (const { position } of stored) {
    const evidence = otherId(position.topicId ?? null, topicId);
    if (evidence !== null) return evidence;
    isSame ||= position.topicId !== undefined && topicId !== null;
  }
  const last = Math.max(...stored.map(({ partition }) => partition));
  // A topic never loses partitions.
  if (isSame || last < partitions) return null;
  return `it had a partition ${last}, and has ${counted(partitions, "partition")}`;
}

async function otherRecord(
  stored: readonly StoredPartition[],
  connection: KafkaConnection,
): Promise<string | null> {
  for (const { topic, partition, position: { record } } of stored) {
    if (record === undefined) continue;
    if (await findRecord(connection, { topic, partition }, record) === "other") {
      return `partition ${partition} had another record at offset ${record.offset}`;
    }
  }
  return null;
}

/**
 * The topics that have been replaced while they were read, by the last look of a watch. Topics
 * without ids are recognised by records that were read before.
 */
export async function replacedMeanwhile(
  cursors: Iterable<PartitionCursor>,
  watch: TopicWatch,
  connection: KafkaConnection,
): Promise<{
  readonly replaced: readonly ReplacedTopic[];
  /** Partitions for which this could not be found out, with the error. */
  readonly unsure: ReadonlyMap<PartitionCursor, unknown>;
}> {
  const replaced = new Map<string, string>();
  const unsure = new Map<PartitionCursor, unknown>();
  for (const cursor of cursors) {
    const { topic, partition, topicId, marks: { recognisedBy, lastRecord } } = cursor;
    if (topicId !== null) {
      const evidence = otherId(topicId, watch.idOf(topic));
      if (evidence !== null) replaced.set(topic, evidence);
    } else if (recognisedBy !== null) {
      try {
        const found = await findRecord(connection, cursor, recognisedBy);
        if (found === "other") {
          const { offset } = recognisedBy;
          replaced.set(topic, `partition ${partition} had another record at offset ${offset}`);
        } else if (found !== "unknown") {
          cursor.confirm(lastRecord); // it was read before the topic was looked at
        }
      } catch (error) {
        unsure.set(cursor, error);
      }
    }
  }
  return {
    replaced: Array.from(replaced, ([topic, evidence]) => ({ topic, evidence })),
    unsure,
  };
}

/**
 * Allows reading the new topic if `auto.offset.reset` names where to begin, and logs a warning.
 *
 * @throws {TopicReplacedError} If it does not name that.
 */
export function allowReplaced(
  { topic, evidence }: ReplacedTopic,
  { input: { offsetReset } }: KafkaInputSettings,
  { fromScratch }: Pick<PartitionShare, "fromScratch">,
  log: Log,
): void {
  if (offsetReset === "error") {
    const advice =
      "a position in the old topic would skip records of the new one (to read the new " +
      `one, set the property "auto.offset.reset" to earliest, for all of its records, or latest, for ` +
      `later ones only; ${fromScratch})`;
    throw new TopicReplacedError(topic, evidence, advice);
  }
  log.warn("topic has been deleted and created again: it is read as a new one", {
    topic,
    evidence,
    from: offsetReset,
  });
}
