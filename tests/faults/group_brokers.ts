/** The brokers of a group are killed and started again. */
import { assert, assertEquals } from "@std/assert";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { GroupScene, moved, type SceneOptions } from "../support/group_nodes/scene.ts";
import type { Random } from "../support/values/random.ts";
import { pass } from "../support/eventually.ts";

/**
 * T8: each broker is killed and started again, one after the other. The flow goes on by itself, and
 * no task moves.
 */
export async function bounceBrokers(
  options: Omit<SceneOptions, "brokers">,
  random: Random,
  brokers: 1 | 3,
): Promise<void> {
  await using cluster = await KafkaCluster.start({ brokers });
  await using scene = await GroupScene.create({ ...options, brokers: cluster.brokers });
  await scene.start(scene.node("a"), scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  const before = await scene.settled();
  for (let broker = 0; broker < brokers; broker++) {
    await pass(random.below(500));
    const measured = scene.measure(before);
    await cluster.kill(broker);
    await pass(random.below(2_000));
    await cluster.start(broker);
    await cluster.whole([scene.from, ...Object.values(scene.to), "__consumer_offsets"]);
    await scene.readOn();
    measured(await scene.settled());
  }
  const noticed = scene.nodes.filter(({ log }) => log.includes("waiting for broker"));
  assert(noticed.length > 0, `nobody has noticed anything, ${scene.told}\n${scene.logs}`);
  const after = await scene.settled();
  assertEquals(moved(before, after), [], `tasks moved, ${scene.told}`);
  assertEquals(after.epoch, before.epoch, `the group's epoch, ${scene.told}`);
  await scene.finish();
}
