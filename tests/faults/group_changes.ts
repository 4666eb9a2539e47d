/** Nodes come and go, and the input grows, while records come. */
import { assert, assertEquals } from "@std/assert";
import { GroupScene, moved, type SceneOptions } from "../support/group_nodes/scene.ts";
import type { Random } from "../support/values/random.ts";
import { pass } from "../support/eventually.ts";
import { exists } from "../support/files/exists.ts";

/** T6: one node, then two, four, and three, while records come. */
export async function comeAndGo(options: SceneOptions, random: Random): Promise<void> {
  await using scene = await GroupScene.create(options);
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => scene.node(name));
  await scene.start(a);
  scene.feed.start();
  await scene.readOn();
  const change = async (make: () => Promise<void>) => {
    const measured = scene.measure(await scene.settled());
    await make();
    await scene.settled();
    await scene.readOn();
    const tasks = measured(await scene.settled());
    assert(tasks.length > 0, `nothing moved, ${scene.told}`);
  };
  await change(() => Promise.resolve(b.start(["--leave"])));
  await change(async () => {
    c.start(["--leave"]);
    await pass(random.below(1_000));
    d.start(["--leave"]);
  });
  await change(() => random.pick([b, c, d]).stop());
  await scene.finish();
}

/**
 * T11: the input gets partitions. New tasks read them from their first record on, and the keys that
 * were there before stay where they are.
 */
export async function growInput(options: SceneOptions, random: Random): Promise<void> {
  await using scene = await GroupScene.create(options);
  await scene.start(scene.node("a"), scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  await pass(random.below(500));
  const before = await scene.settled();
  const measured = scene.measure(before);
  await scene.grow(2);
  scene.feed.widen(6);
  const after = await scene.settled();
  const isKeyed = (task: string) => !task.startsWith("in_");
  const keyed = moved(before, after).filter(isKeyed);
  assert(keyed.length <= 2, `keyed tasks moved: ${keyed}, ${scene.told}`);
  await scene.readOn();
  measured(after);
  await scene.finish();
}

/**
 * T13: nodes are started, stopped and killed all the time, so that tasks move while they restore.
 * Once they are left alone, all tasks run.
 *
 * @param forMs For how long.
 * @param everyMs About how long between two changes.
 * @returns How many changes there were.
 */
export async function churn(
  options: SceneOptions,
  random: Random,
  { forMs, everyMs }: { readonly forMs: number; readonly everyMs: number },
): Promise<number> {
  await using scene = await GroupScene.create(options);
  const nodes = ["a", "b", "c", "d"].map((name) => scene.node(name));
  await scene.start(nodes[0]);
  scene.feed.start();
  await scene.readOn();
  let changes = 0;
  for (const until = performance.now() + forMs; performance.now() < until; changes++) {
    const node = random.pick(nodes);
    if (!node.isRunning) node.start(random.pick([[], ["--leave"]]));
    else if (random.below(2) === 0) await node.kill();
    else {
      await node.untilStarted(); // Deno itself ends at a signal that comes before the command runs
      await node.stop();
    }
    await pass(random.below(2 * everyMs));
  }
  for (const node of nodes) if (!node.isRunning) node.start();
  await scene.settled();
  await scene.readOn();
  const count = await scene.finish();
  assert(count > 0 && changes > 3, `${changes} changes, ${scene.told}`);
  return changes;
}

/** T9: a step blocks its thread for longer than the group waits for a member. Nothing moves. */
export async function blockStep(
  options: SceneOptions,
  random: Random,
  blocksMs: number,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const once = `${folder}/blocked`;
    const block = { at: `${3_000 + random.below(500)}`, ms: blocksMs, once };
    await using scene = await GroupScene.create({ ...options, block });
    await scene.start(scene.node("a"), scene.node("b"));
    const before = await scene.settled();
    scene.feed.start();
    await scene.until(() => exists(once), "a step blocks");
    const blockedMs = performance.now();
    await scene.readOn(5, blocksMs + 60_000);
    assert(performance.now() - blockedMs > blocksMs / 2, `nothing has waited, ${scene.told}`);
    const after = await scene.settled();
    assertEquals(moved(before, after), [], `tasks moved, ${scene.told}`);
    await scene.finish();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
