import { assert, assertEquals } from "@std/assert";
import { Pace } from "../../../../src/connectors/kafka/group/pace.ts";
import { Scene } from "../../../support/group/scene.ts";
import { classicWorld, streamsWorld } from "../../../support/kafka/group/worlds.ts";

Deno.test("a member asks often while its group changes, and else as seldom as it may", () => {
  const pace = new Pace({ heartbeatMs: 200, scoutMs: 1_000 });
  assertEquals(pace.intervalMs(0, 5_000), 1_000, "a scout");
  pace.isScout = false;
  assertEquals(pace.intervalMs(0, 5_000), 5_000);
  pace.changes(0);
  assertEquals(pace.intervalMs(9_999, 5_000), 200);
  assertEquals(pace.intervalMs(10_000, 5_000), 5_000);
  assertEquals(pace.intervalMs(9_999, 100), 100, "the broker wants to hear of it more often");
  pace.isScout = true;
  assertEquals(pace.intervalMs(10_000, 500), 500);
});

const WORLDS = { streams: streamsWorld({ keyed: 24 }), classic: classicWorld({ keyed: 24 }) };

for (const [protocol, world] of Object.entries(WORLDS)) {
  Deno.test(`${protocol}: one scout hears of a change for all members of its process`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      await using scene = new Scene(world, seed);
      scene.startMachine("a", 8);
      await scene.pass(40_000 + 700 * seed);
      const asked = scene.world.network.requests;
      await scene.pass(10_000);
      const calm = scene.world.network.requests - asked;
      assert(calm < 70, `${calm} requests of 8 members in 10 s`);
      scene.startMachine("b", 4);
      await scene.pass(1_900); // less than the others wait
      scene.check(`after a second machine has joined, with seed ${seed}`);
    }
  });

  Deno.test(`${protocol}: once the scout has left, another member is the scout`, async () => {
    await using scene = new Scene(world, 2);
    const [scout] = scene.startMachine("a", 8);
    await scene.pass(40_000);
    await scene.end(scout, "leave");
    await scene.pass(40_000);
    scene.startMachine("b", 4);
    await scene.pass(1_900);
    scene.check("after a second machine has joined");
  });
}
