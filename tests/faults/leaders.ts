import type { KafkaCluster } from "../support/kafka/cluster.ts";
import type { Random } from "../support/values/random.ts";

const PATIENCE_MS = 30_000;

/**
 * Moves the leaders of some of the topics' partitions, at least one, at random. It takes the
 * partitions from the brokers that lead them; after that, both brokers have them again.
 */
export async function moveLeaders(
  cluster: KafkaCluster,
  topics: readonly string[],
  random: Random,
): Promise<void> {
  for (const topic of topics) {
    const before = await cluster.leaders(topic);
    const first = random.below(before.length);
    const moved = before.map((_, p) => p).filter((p) => p === first || random.below(2) === 0);
    const assign = (replicasOf: (leader: number) => number[]) =>
      cluster.admin((admin) =>
        admin.alterPartitionReassignments({
          topics: [{
            topic,
            partitionAssignment: moved.map((partition) => ({
              partition,
              replicas: replicasOf(1 - before[partition]).map((broker) => cluster.ids[broker]),
            })),
          }],
        })
      );
    await cluster.whole([topic]);
    await assign((leader) => [leader]);
    for (const deadline = performance.now() + PATIENCE_MS;;) {
      const now = await cluster.leaders(topic);
      if (moved.every((p) => now[p] === 1 - before[p])) break;
      if (performance.now() > deadline) throw new Error(`leaders of ${topic} did not move: ${now}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await assign((leader) => [leader, 1 - leader]);
  }
}

/** Creates a topic again that was deleted. Its name becomes free a moment later. */
export async function recreate(
  cluster: KafkaCluster,
  name: string,
  partitions = 2,
): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS;;) {
    try {
      await cluster.createTopic({ name, partitions });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
