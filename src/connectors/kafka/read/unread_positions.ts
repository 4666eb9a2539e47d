/**
 * Stored positions of what a run does not read. They are kept, as a later run may read it again.
 *
 * @module
 */
import type { Place, Positions } from "../../../graph/contracts.ts";
import type { PartitionShare } from "./partition_share.ts";
import type { KafkaPosition } from "./position.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";

/** What a run reads. */
export interface ReadNow {
  /** The topics that the input names. */
  readonly topics: readonly string[];
  /** Topics whose stored positions do not count, as they have been created again. */
  readonly replaced: ReadonlySet<string>;
  /** The position names of the partitions that this share reads. */
  readonly names: ReadonlySet<string>;
}

/**
 * The stored positions that a share keeps although it does not read their partitions. One share
 * keeps each: the one that would read the partition. For topics that the input does not name, a
 * share decides if it keeps them, and if it logs a warning.
 */
export function unreadPositions(
  resume: Positions,
  { topics, replaced, names }: ReadNow,
  share: PartitionShare,
  { stepId, log }: Pick<Place, "stepId" | "log">,
): Map<string, KafkaPosition> {
  const unread = new Map<string, KafkaPosition>();
  const others = new Set<string>();
  const foreign: string[] = [];
  for (const [name, state] of resume) {
    const at = partitionNamed(name);
    if (at === null || !isKafkaPosition(state)) {
      foreign.push(name);
      continue;
    }
    const { topic, partition } = at;
    const isNamed = topics.includes(topic);
    if (!isNamed) others.add(topic);
    const isKept = isNamed ? share.has(partition) : share.keepsOthers;
    if (!isKept || names.has(name) || replaced.has(topic)) continue;
    unread.set(name, state);
  }
  if (!share.reportsOthers) return unread;
  if (others.size > 0) {
    const quoted = Array.from(others, (topic) => `"${topic}"`).join(", ");
    log.warn(
      `the store has positions of ${
        others.size === 1 ? "topic" : "topics"
      } ${quoted}, which step ` +
        `"${stepId}" does not read now: they are kept`,
    );
  }
  if (foreign.length > 0) {
    log.warn(
      `the store has positions of step "${stepId}" that are not Kafka positions, such as "${
        foreign[0]
      }": ` +
        "they are dropped",
    );
  }
  return unread;
}

/** The partition in the name of a position, or `null`. */
export function partitionNamed(name: string): TopicPartition | null {
  const dash = name.lastIndexOf("-");
  const at = { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)) };
  return dash > 0 && Number.isInteger(at.partition) && positionName(at) === name ? at : null;
}

/** Whether a stored position is one of ours. */
export function isKafkaPosition(state: unknown): state is KafkaPosition {
  return typeof (state as KafkaPosition | null)?.offset === "bigint";
}
