/**
 * Positions of a Kafka input at a time, for the tools that change what a store holds.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import { silentLog } from "../../core/log.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { otherId } from "../kafka/client/topic_watch.ts";
import { connectionSettings } from "../kafka/properties/connection_settings.ts";
import { givenToRecovery, type KafkaProperties } from "../kafka/properties/given_properties.ts";
import { checkBrokers } from "../kafka/properties/options.ts";
import { type KafkaPosition, storedPosition } from "../kafka/read/position.ts";
import { isKafkaPosition, partitionNamed } from "../kafka/read/unread_positions.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";

/** A partition of an input, with its stored position. */
export interface NamedPosition {
  readonly partition: string;
  readonly position: unknown;
}

/** A partition of a topic, with its stored position. */
interface TopicPosition extends TopicPartition {
  readonly position: KafkaPosition;
}

/** Returns the partition of a topic; `null` if an input of another kind has stored it. */
function topicPosition({ partition, position }: NamedPosition): TopicPosition | null {
  const at = partitionNamed(partition);
  return at === null || !isKafkaPosition(position) ? null : { ...at, position };
}

/** Whether a Kafka input has stored a position. */
export function isOfKafka(each: NamedPosition): boolean {
  return topicPosition(each) !== null;
}

/** Returns the position at an offset of the same topic. */
export function atOffset(each: NamedPosition, offset: bigint): KafkaPosition {
  return storedPosition(Number(offset), topicPosition(each)!.position.topicId ?? null, null);
}

/** Where the topics are. */
export interface TopicsAt {
  readonly brokers: readonly string[];
  readonly properties: KafkaProperties;
}

/**
 * Asks the brokers for the first records at or after a time.
 *
 * @param time In milliseconds since the Unix epoch.
 * @returns The position before that record for each partition, in the same order. It is the end of
 * a partition whose records are all older.
 * @throws {UsageError} If a topic is another one than was read.
 * @throws {TypeError} If brokers or properties are wrong.
 * @throws {Error} If the brokers do not answer, or do not have a topic.
 */
export async function positionsAt(
  positions: readonly NamedPosition[],
  time: number,
  { brokers, properties }: TopicsAt,
): Promise<readonly KafkaPosition[]> {
  const named = positions.map((each) => topicPosition(each)!);
  const topics = [...new Set(named.map(({ topic }) => topic))];
  const ended = new AbortController();
  const connection = new KafkaConnection(
    checkBrokers("--brokers", brokers),
    topics,
    connectionSettings(givenToRecovery(properties)),
    { log: silentLog, signal: ended.signal },
  );
  try {
    const found = await connection.open(async () => {
      const { topics: known } = await connection.metadata();
      const ids = new Map(known.map(({ topic, topicId }) => [topic, topicId]));
      for (const { topic, position } of named) {
        const evidence = otherId(position.topicId ?? null, ids.get(topic) ?? null);
        if (evidence !== null) return replaced(topic, evidence);
      }
      for (const topic of topics) {
        const there = await connection.leaders(topic);
        const gone = named.find((each) => each.topic === topic && !there.has(each.partition));
        if (gone !== undefined) return replaced(topic, `it has no partition ${gone.partition}`);
      }
      const [at, last] = await Promise.all([
        connection.offsets(named, { timestamp: time }),
        connection.offsets(named, "last"),
      ]);
      return named.map((each) => {
        const name = positionName(each);
        const offset = at.get(name)!;
        const topicId = each.position.topicId ?? ids.get(each.topic) ?? null;
        return storedPosition(offset < 0 ? last.get(name)! : offset, topicId, null);
      });
    });
    if (found instanceof UsageError) throw found; // `open` would try again
    return found;
  } finally {
    ended.abort();
    await connection.close();
  }
}

function replaced(topic: string, evidence: string): UsageError {
  return new UsageError(
    `topic "${topic}" was deleted and created again (${evidence}): rewind the step to start, which ` +
      "forgets what was read of the old topic",
  );
}
