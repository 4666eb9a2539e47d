/**
 * Offsets of partitions, each from the broker that leads it.
 *
 * @module
 */
import type { Isolation } from "../properties/input_settings.ts";
import { type ListedOffsets, listOffsets, type WhichOffset } from "../wire/list_offsets.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import type { KafkaBroker } from "./kafkajs.ts";

/** Knows the leader of each partition, and how to ask it. */
interface Leaders {
  leaders(topic: string): Promise<ReadonlyMap<number, number>>;
  broker(nodeId: number): Promise<KafkaBroker>;
}

/** No broker leads a partition now, as those that could are away. */
export class WithoutLeaderError extends Error {
  constructor({ topic, partition }: TopicPartition) {
    super(`topic "${topic}", partition ${partition} has no leader now`);
  }
}

/**
 * Asks the leaders of partitions for offsets. Each partition has an offset or an error.
 *
 * @throws {Error} If no broker returns their leaders.
 */
export async function offsetsOf(
  connection: Leaders,
  partitions: readonly TopicPartition[],
  which: WhichOffset,
  isolation: Isolation,
): Promise<ListedOffsets> {
  const all: ListedOffsets = { found: new Map(), failed: new Map() };
  const byLeader = new Map<number, TopicPartition[]>();
  for (const [topic, asked] of Map.groupBy(partitions, ({ topic }) => topic)) {
    const leaders = await connection.leaders(topic);
    for (const each of asked) {
      const leader = leaders.get(each.partition) ?? -1;
      const led = byLeader.get(leader);
      if (leader < 0) all.failed.set(positionName(each), new WithoutLeaderError(each));
      else if (led === undefined) byLeader.set(leader, [each]);
      else led.push(each);
    }
  }
  await Promise.all(Array.from(byLeader, async ([leader, led]) => {
    try {
      const { found, failed } = await listOffsets(
        await connection.broker(leader),
        led,
        which,
        isolation,
      );
      for (const [name, offset] of found) all.found.set(name, offset);
      for (const [name, error] of failed) all.failed.set(name, error);
    } catch (error) {
      for (const each of led) all.failed.set(positionName(each), error);
    }
  }));
  return all;
}
