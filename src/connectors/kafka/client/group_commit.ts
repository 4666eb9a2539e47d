/**
 * Commits positions to a consumer group.
 *
 * @module
 */
import { sleep } from "../../../core/promises.ts";
import type { Coordinated } from "../wire/find_coordinator.ts";
import type { TopicPartition } from "../wire/topic_partition.ts";
import { requireAnswers } from "../wire/wrong_answer.ts";
import { limited } from "./concurrency.ts";
import { errorKind } from "./errors.ts";
import type { KafkaBroker } from "./kafkajs.ts";

/**
 * How long a commit waits for a group's coordinator, in milliseconds. Epochs wait for it meanwhile.
 */
const COORDINATOR_MS = 3_000;
const COORDINATOR_PAUSE_MS = 50;

/**
 * How long a coordinator may not know a topic, in milliseconds. A new topic is not known
 * everywhere.
 */
const NEW_TOPIC_MS = 1_000;

/** Finds the broker that keeps a group. */
interface Coordinators {
  coordinator(of: Coordinated): Promise<KafkaBroker>;
}

/**
 * Commits positions to a consumer group without joining it, for tools that show lag. A group that
 * is new to the cluster has no coordinator for a moment; `signal` ends the wait for one. A position
 * may have a text with it.
 *
 * @throws {Error} If they cannot be committed within 3 s. The limit is short, as epochs wait for
 * it.
 */
export async function commitGroup(
  connection: Coordinators,
  groupId: string,
  offsets: readonly (TopicPartition & { offset: bigint; metadata?: string })[],
  signal: AbortSignal,
): Promise<void> {
  const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, committed]) => ({
    topic,
    partitions: committed.map(({ partition, offset, metadata = null }) => ({
      partition,
      offset: String(offset),
      metadata,
    })),
  }));
  const begun = performance.now();
  const commit = async () => {
    const coordinator = await connection.coordinator({ kind: "group", id: groupId });
    const { responses } = await coordinator.offsetCommit({
      groupId,
      groupGenerationId: -1,
      memberId: "",
      topics,
    });
    requireAnswers(
      "OffsetCommit",
      offsets,
      responses.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition }) => ({ topic, partition }))
      ),
    );
  };
  for (;;) {
    try {
      return await limited(commit(), {
        ms: Math.max(begun + COORDINATOR_MS - performance.now(), 0),
        signal,
        cut: () => new Error("the group's coordinator does not answer"),
      });
    } catch (error) {
      const late = performance.now() - begun >= commitPatienceMs(error);
      if (late || signal.aborted) throw error;
      await sleep(COORDINATOR_PAUSE_MS, signal);
    }
  }
}

/** How long to retry a commit to a group after an error, in milliseconds. */
function commitPatienceMs(error: unknown): number {
  const kind = errorKind(error);
  if (kind === "notCoordinator") return COORDINATOR_MS; // the first group of a cluster, for example
  return kind === "unknownTopic" ? NEW_TOPIC_MS : 0; // to the coordinator, it is new
}
