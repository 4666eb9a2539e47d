/** Classic groups in memory whose tasks have states, of which machines keep copies. */
import { assert, assertEquals } from "@std/assert";
import { testSchedules } from "../../../conformance/membership.ts";
import { Scene } from "../../../support/group/scene.ts";
import { classicWorld } from "../../../support/kafka/group/worlds.ts";

for (const standbys of [0, 1]) {
  testSchedules(
    `a classic group with ${standbys} standbys`,
    classicWorld({ keyed: 12 }, { keepsCopies: true, standbys }),
    100,
  );
}

Deno.test("a task stands still for a moment only when it moves to a member that has joined", async () => {
  await using scene = new Scene(classicWorld({ keyed: 8 }, { keepsCopies: true }), 1);
  const first = scene.start("a");
  await scene.pass(1_000);
  const second = scene.start("b");
  let longest = 0;
  const stopped = new Map<string, number>();
  for (let ms = 0; ms < 20_000; ms += 10) {
    await scene.pass(10);
    for (const task of scene.world.tasks) {
      if (scene.owners.has(task)) stopped.delete(task);
      else if (!stopped.has(task)) stopped.set(task, ms);
    }
    for (const since of stopped.values()) longest = Math.max(longest, ms - since);
    const moved = second.member.owned.difference(second.copied);
    assertEquals(moved, new Set(), "tasks move once their copies have caught up");
  }
  scene.check("two members");
  assert(longest < 1_000, `${longest} ms`);
  assert(first.events.includes("revoke"));
});

Deno.test("machines that start in another order after all have stopped get their tasks back", async () => {
  await using scene = new Scene(classicWorld({ keyed: 8 }, { keepsCopies: true }), 2);
  const first = [scene.start("a"), scene.start("b")];
  await scene.pass(20_000);
  scene.check("at first");
  // All tasks were on the disk of the first machine at first, so those that moved are older there.
  const before = new Map(first.map(({ id, member }) => [id, new Set(member.owned)]));
  for (const { id } of first) {
    const disk = scene.world.disk!(id[0]);
    for (const task of before.get(id)!) disk.set(task, scene.world.network.clock.at);
  }
  for (const worker of first) await scene.end(worker, "die");
  await scene.pass(10_000);
  const back = [scene.start("b")];
  await scene.pass(5_000);
  assertEquals(back[0].member.owned.size, 8);
  back.push(scene.start("a"));
  await scene.pass(20_000);
  for (const { id, member } of back) assertEquals(new Set(member.owned), before.get(id), id);
});
