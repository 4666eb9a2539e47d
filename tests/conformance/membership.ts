/**
 * What every {@linkcode Membership} has to do, whatever protocol its group speaks.
 *
 * Schedules are random, with a seed: machines come and go, requests and answers get lost or come
 * late. The members' own statements are checked at each event, so two owners of a task are found
 * when they happen.
 */
import { assert, assertEquals } from "@std/assert";
import type { TaskId } from "../../src/core/task_id.ts";
import { GroupShutdownError } from "../../src/group/membership.ts";
import { type FakeWorker, type MakeWorld, pass, Scene } from "../support/group/scene.ts";

/** The first seed: another each day finds more, and the failure names it. */
function firstSeed(): number {
  return Number(Deno.env.get("SEED") ?? 1);
}

/** Registers the suite for one protocol. */
export function testMembership(name: string, make: MakeWorld, seeds: number): void {
  Deno.test(`${name}: members that join share the tasks, and only moved tasks stop`, async () => {
    await using scene = new Scene(make, 1);
    const first = scene.start("a");
    await scene.pass(scene.world.settlesMs);
    scene.check("one member");
    const kept = new Set(first.member.owned);
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    scene.check("two members");
    assert(first.member.owned.isSubsetOf(kept));
    assertEquals(first.events, ["assigned", "revoke"]);
    assertEquals(second.events, ["assigned"]);
  });

  Deno.test(`${name}: the tasks of a member that leaves run elsewhere`, async () => {
    await using scene = new Scene(make, 2);
    scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    await scene.end(second, "leave");
    scene.check("after it left");
  });

  Deno.test(`${name}: a member that comes back within its session gets the same tasks`, async () => {
    await using scene = new Scene(make, 3);
    const first = scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    const before = new Set(second.member.owned);
    const events = first.events.length;
    scene.workers.delete(second);
    await second.die();
    await scene.pass(1_000);
    const back = scene.start("b");
    await scene.pass(1_000);
    assertEquals(new Set(back.member.owned), before);
    assertEquals(first.events.length, events, "nothing moves");
  });

  Deno.test(`${name}: what a member gives up as it stops soon runs elsewhere`, async () => {
    await using scene = new Scene(make, 6);
    const first = scene.start("a");
    await scene.pass(scene.world.settlesMs);
    const had = new Set(first.member.owned);
    const second = scene.start("b");
    let released: Set<TaskId> = new Set();
    // It stops as soon as it has given them up, before it has told anybody.
    while (released.size === 0) {
      await scene.pass(1);
      released = had.difference(first.member.owned);
    }
    scene.workers.delete(first);
    const dying = first.die();
    await scene.pass(2_500); // its session is longer
    await dying;
    assertEquals(new Set(second.member.owned), released);
  });

  Deno.test(`${name}: a member that shuts the group down ends all, and the group may begin again`, async () => {
    await using scene = new Scene(make, 7);
    const first = scene.start("a");
    const others = [scene.start("b"), ...scene.startMachine("c", 2)];
    await scene.pass(scene.world.settlesMs);
    scene.workers.delete(first);
    first.isDead = true;
    const { clock } = scene.world.network;
    let isOver = false;
    void first.member.shutDown().then(() => isOver = true);
    await pass(clock, 6_000); // less than a session
    assert(isOver);
    for (const other of others) {
      assert(other.problem instanceof GroupShutdownError, `${other.id}: ${other.problem}`);
      const { waitMs } = other.problem as GroupShutdownError;
      assertEquals(waitMs, null, `${other.id} was there`);
      other.problem = null;
      scene.workers.delete(other);
      other.isDead = true;
      for (const [task, owner] of scene.owners) if (owner === other) scene.owners.delete(task);
    }
    for (const [task, owner] of scene.owners) if (owner === first) scene.owners.delete(task);
    await pass(clock, 2_000);
    scene.start("b");
    await scene.pass(1_000);
    scene.check("after it began again");
  });

  Deno.test(`${name}: a member that shuts the group down while it joins ends all`, async () => {
    for (const joinsForMs of [0, 1, 100]) {
      await using scene = new Scene(make, 8);
      const first = scene.start("a");
      await scene.pass(scene.world.settlesMs);
      const joining = scene.start("b");
      const { clock } = scene.world.network;
      await pass(clock, joinsForMs);
      joining.isDead = true;
      scene.workers.delete(joining);
      let isOver = false;
      void joining.member.shutDown().then(() => isOver = true);
      await pass(clock, 6_000); // less than a session
      assert(isOver);
      assert(first.problem instanceof GroupShutdownError, `${joinsForMs} ms: ${first.problem}`);
      first.problem = null;
      first.isDead = true;
      scene.workers.delete(first);
      scene.owners.clear();
    }
  });

  Deno.test(`${name}: a machine leaves for members of its processes before`, async () => {
    await using scene = new Scene(make, 9);
    scene.start("a");
    const gone = scene.startMachine("b", 2);
    await scene.pass(scene.world.settlesMs);
    for (const worker of gone) {
      assert(worker.member.owned.size > 0);
      scene.workers.delete(worker);
      await worker.die();
    }
    const membership = scene.machine("b");
    let isOver = false;
    void membership.dismiss(["b-0", "b-1", "b-9"]).then(() => isOver = true); // one was never there
    await scene.pass(2_500); // its session is longer
    assert(isOver);
    scene.check("others run what it had");
    await membership.close();
  });

  Deno.test(`${name}: a member that is cut off drops its tasks before others get them`, async () => {
    await using scene = new Scene(make, 4);
    scene.start("a");
    const second = scene.start("b");
    await scene.pass(scene.world.settlesMs);
    scene.cut("b", true);
    await scene.pass(scene.world.settlesMs);
    assertEquals(second.events.at(-1), "lost");
    assertEquals(second.member.owned.size, 0);
    assertEquals(scene.owners.size, scene.world.tasks.length);
    scene.cut("b", false);
    await scene.pass(scene.world.settlesMs);
    scene.check("after it is back");
  });

  Deno.test(`${name}: no commit is refused while members join and leave`, async () => {
    await using scene = new Scene(make, 5);
    const first = scene.start("a");
    await scene.pass(scene.world.settlesMs);
    const codes: number[] = [];
    let isOver = false;
    const committing = (async () => {
      while (!isOver) codes.push(await first.commit());
    })();
    for (let round = 0; round < 5; round++) {
      const other = scene.start(`b${round}`);
      await scene.pass(2_000 + scene.random.below(100));
      await scene.end(other, "leave");
    }
    isOver = true;
    await scene.pass(1_000);
    await committing;
    assert(codes.length > 100, `${codes.length} commits`);
    assertEquals(codes.filter((code) => code !== 0), []);
  });

  testSchedules(name, make, seeds);
}

/** Registers the random schedules of the suite for one protocol. */
export function testSchedules(name: string, make: MakeWorld, seeds: number): void {
  const first = firstSeed();
  Deno.test(`${name}: ${seeds} random schedules from seed ${first} have no two owners, and settle`, async () => {
    const happened = new Map<string, number>();
    for (let seed = first; seed < first + seeds; seed++) {
      try {
        await schedule(make, seed, happened);
      } catch (error) {
        throw new Error(`with SEED=${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
    for (const fault of ["request lost", "answer lost", "request late", "silence", "cut"]) {
      assert((happened.get(fault) ?? 0) > 0, `${fault} never happened`);
    }
  });
}

const MACHINES = ["a", "b", "c", "d"];
const ACTIONS = 12;

async function schedule(make: MakeWorld, seed: number, happened: Map<string, number>) {
  await using scene = new Scene(make, seed);
  const { random, world } = scene;
  const machineOf = ({ id }: FakeWorker) => id.split("-")[0];
  world.network.faultsInHundred = random.below(20);
  for (let action = 0; action < ACTIONS; action++) {
    const machine = random.pick(MACHINES);
    const worker = [...scene.workers].find((each) => machineOf(each) === machine);
    if (worker === undefined) {
      scene.start(machine);
    } else {
      const what = random.pick(["die", "leave", "cut", "heal"] as const);
      if (what === "die" || what === "leave") await scene.end(worker, what);
      else scene.cut(machine, what === "cut");
      if (what === "cut") happened.set("cut", (happened.get("cut") ?? 0) + 1);
    }
    await scene.pass(random.below(random.pick([300, 3_000, 20_000])));
  }
  for (const machine of MACHINES) scene.cut(machine, false);
  world.network.faultsInHundred = 0;
  if (scene.workers.size === 0) scene.start("a");
  await scene.pass(world.settlesMs);
  scene.check("once faults have stopped");
  const generation = world.generation?.();
  await scene.pass(world.settlesMs);
  assertEquals(world.generation?.(), generation, "tasks are shared out again for no reason");
  for (const [fault, count] of world.network.happened) {
    happened.set(fault, (happened.get(fault) ?? 0) + count);
  }
}
