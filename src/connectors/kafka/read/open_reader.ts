/**
 * Opens a Kafka input: connects, and finds where each of its share of partitions begins.
 *
 * @module
 */
import type { InputReader, Place, Positions } from "../../../graph/contracts.ts";
import { KafkaConnection } from "../client/connection.ts";
import { WithoutLeaderError } from "../client/partition_offsets.ts";
import { isFatal } from "../client/errors.ts";
import { TopicWatch } from "../client/topic_watch.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { locate, type Located } from "./locate.ts";
import type { ReaderParts } from "./partition_finder.ts";
import { type PartitionShare, shareOfWorker } from "./partition_share.ts";
import type { KafkaPosition } from "./position.ts";
import { allowReplaced, replacedSince } from "./replaced_topics.ts";
import { KafkaReader, type ToItem } from "./source.ts";
import { type Origin, startingCursors } from "./start.ts";
import { forTime } from "./timed_reading.ts";
import { partitionNamed, unreadPositions } from "./unread_positions.ts";
import { partitionsOf, WorkerPartitions } from "./worker_partitions.ts";

/**
 * How long to wait for all partitions, in milliseconds, as leaders may be moving. After that, those
 * in reach are read without the others.
 */
const WHOLE_MS = 3_000;

/** Starts reading a share of the partitions: by default, that of this worker. */
export async function openKafkaReader<T>(
  given: KafkaInputSettings,
  at: Place,
  resume: Positions,
  toItem: ToItem<T>,
  share: PartitionShare = shareOfWorker(at),
): Promise<InputReader<T>> {
  const settings = (at.alignment ?? null) === null ? given : forTime(given, at.log);
  const { brokers, topics, input } = settings;
  const connection = new KafkaConnection(brokers, topics, input, {
    log: at.log,
    signal: at.signal,
    isolation: input.isolation,
  });
  at.whileOpening?.(() => connection.waitingFor);
  const watch = new TopicWatch({
    ask: () => connection.metadata(),
    maxAgeMs: input.metadataMaxAgeMs,
  });
  try {
    const partitions = await begin(settings, at, resume, { connection, watch, share });
    connection.opened();
    return new KafkaReader(settings, { connection, watch, partitions, share }, toItem, at);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Finds where to begin, in all partitions whose leaders are in reach. */
async function begin(
  settings: KafkaInputSettings,
  at: Place,
  resume: Positions,
  { connection, watch, share }: Omit<ReaderParts, "partitions">,
): Promise<WorkerPartitions> {
  const begun = performance.now();
  const readBefore = new Set(Array.from(resume.keys(), (name) => partitionNamed(name)?.topic));
  // A partition without a position was added, if an earlier run has read others of its topic.
  const startOf = (topic: string) =>
    share.added.has(topic) || readBefore.has(topic) ? "beginning" : settings.start;
  const { mine, located, replaced } = await connection.open(async () => {
    await watch.look(); // first, so that a later replacement is noticed
    const mine: TopicPartition[] = [];
    for (const topic of settings.topics) {
      const partitions = partitionsOf(await connection.leaders(topic), share);
      for (const partition of partitions) mine.push({ topic, partition });
    }
    const located = await locateAll(mine, startOf, connection);
    for (const error of located.failed.values()) {
      // A broker may stay away, so the others are read without it. A leader that moves comes soon.
      const isPart = located.offsets.length > 0 || error instanceof WithoutLeaderError;
      if (!isPart || isFatal(error) || performance.now() - begun < WHOLE_MS) throw error;
    }
    return { mine, located, replaced: await replacedSince(resume, settings, watch, connection) };
  }, { isWhole: ({ located }) => located.failed.size === 0 });
  for (const topic of replaced) allowReplaced(topic, settings, share, at.log);
  const others = new Set(replaced.map(({ topic }) => topic));
  const origins = new Map(mine.map((each): [string, Origin] => [positionName(each), {
    topicId: watch.idOf(each.topic),
    isReplaced: others.has(each.topic),
    stored: resume.get(positionName(each)) as KafkaPosition | undefined,
  }]));
  const originOf = (name: string) => origins.get(name)!;
  const cursors = startingCursors(settings, located.offsets, originOf, at.log);
  const { topics } = settings;
  const readNow = { topics, replaced: others, names: new Set(origins.keys()) };
  const partitions = new WorkerPartitions(unreadPositions(resume, readNow, share, at));
  for (const each of mine) {
    const { isReplaced, stored } = originOf(positionName(each));
    partitions.found({ ...each, isReplaced, stored, start: startOf(each.topic) });
  }
  for (const cursor of cursors) partitions.begin(cursor);
  return partitions;
}

/** Asks where partitions begin and end, each with where it starts without a stored position. */
async function locateAll(
  partitions: readonly TopicPartition[],
  startOf: (topic: string) => KafkaInputSettings["start"],
  connection: KafkaConnection,
): Promise<Located> {
  const byStart = Map.groupBy(partitions, ({ topic }) => startOf(topic));
  const all = await Promise.all(
    Array.from(byStart, ([start, asked]) => locate(asked, start, connection)),
  );
  return {
    offsets: all.flatMap(({ offsets }) => offsets),
    failed: new Map(all.flatMap(({ failed }) => [...failed])),
  };
}
