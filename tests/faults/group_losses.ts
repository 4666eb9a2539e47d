/** What a group keeps is lost, on brokers or on disks, while it does not run. */
import type { Admin } from "kafkajs";
import { kafkaClient } from "../support/kafka/client.ts";
import { groupsOf } from "../support/group_nodes/described_group.ts";
import { GroupScene, type SceneOptions } from "../support/group_nodes/scene.ts";
import { pass } from "../support/eventually.ts";

/** A loss, and how a node that starts after it refuses to go on. */
export interface Loss {
  readonly what: string;
  readonly happens: (scene: GroupScene, admin: Admin) => Promise<void>;
  readonly refusal: RegExp;
}

/** T10: losses after which nobody can go on where the group was. */
export const LOSSES: readonly Loss[] = [
  {
    what: "its offsets",
    happens: async ({ brokers, app }, admin) => {
      await admin.deleteGroups(await groupsOf(brokers, app));
    },
    refusal: /group "\S+" has no offsets, but its topics show that it has run before/,
  },
  {
    what: "a changelog",
    happens: ({ app }, admin) => deleteTopics(admin, (topic) => topic === `${app}.count.state`),
    refusal: /its changelog "\S+\.count\.state" has nothing of it: was it deleted\?/,
  },
  {
    what: "all of its topics",
    happens: ({ app }, admin) => deleteTopics(admin, (topic) => topic.startsWith(`${app}.`)),
    refusal: /has offsets, but its topic "\S+\.control" knows of none: were its topics deleted/,
  },
];

/** T10: a node starts after a loss. It must say what is lost, and write nothing that is wrong. */
export async function startAfter(
  options: SceneOptions,
  { happens, refusal }: Loss,
  sameDisk: boolean,
): Promise<void> {
  await using scene = await GroupScene.create(options);
  const nodes = [scene.node("a"), scene.node("b")];
  for (const node of nodes) node.start(["--leave"]);
  await scene.feed.write(1_000);
  await scene.until(() => scene.watched.count(scene.to.totals) === 1_000, "all have been counted");
  await scene.stop();
  const admin = kafkaClient(scene.brokers).admin();
  await admin.connect();
  try {
    await happens(scene, admin);
  } finally {
    await admin.disconnect();
  }
  await scene.feed.write(400);
  const next = sameDisk ? nodes[0] : scene.node("next");
  const before = next.log.length;
  next.start();
  const told = () => next.log.slice(before).replaceAll('\\"', '"'); // quoted within a field
  await scene.until(() => refusal.test(told()), `it refuses with ${refusal}`);
  await next.kill();
  await scene.assertPrefix();
}

async function deleteTopics(admin: Admin, isDeleted: (topic: string) => boolean): Promise<void> {
  const topics = (await admin.listTopics()).filter(isDeleted);
  await admin.deleteTopics({ topics });
  while ((await admin.listTopics()).some(isDeleted)) await pass(20);
}
