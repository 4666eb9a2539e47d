/** The oracle: a group gives what the same flow gives on one machine, whatever happens to it. */
import { assert, assertEquals } from "@std/assert";
import type { TaskId } from "../../../src/core/task_id.ts";
import { keyGroupOf } from "../../../src/core/key_groups.ts";
import { FLOWS, type GroupFlow } from "../../support/group/flows.ts";
import { type GroupProcess, GroupRun } from "../../support/group/group_run.ts";
import type { LogPoint } from "../../support/group/memory_log.ts";
import { Random } from "../../support/values/random.ts";

const POINTS: readonly LogPoint[] = ["before commit", "in commit", "after commit", "restoring"];

/** Adds items to all topics of a flow. Those of a key go to one partition of each. */
function append(run: GroupRun, { topics }: GroupFlow, random: Random, items: number): void {
  for (const [topic, partitions] of Object.entries(topics)) {
    for (let i = 0; i < items; i++) {
      const key = `k${random.below(12)}`;
      run.group.topics.append(topic, keyGroupOf(key) % partitions, [key, random.below(40)]);
    }
  }
}

async function assertAsOnOneMachine(run: GroupRun, { isOrdered }: GroupFlow): Promise<void> {
  const expected = await run.expected();
  assertEquals(multisets(run.group.outputs), multisets(expected));
  if (isOrdered) assertEquals(byKey(run.group.outputs), byKey(expected));
  assert([...expected.values()].every((items) => items.length > 0), "the flow gives something");
}

function multisets(outputs: ReadonlyMap<string, readonly unknown[]>): Map<string, string[]> {
  return new Map([...outputs].map(([name, items]) => [
    name,
    items.map((item) => JSON.stringify(item)).sort(),
  ]));
}

/** The values of each key, in order. */
function byKey(outputs: ReadonlyMap<string, readonly unknown[]>): Map<string, unknown> {
  return new Map([...outputs].map(([name, items]) => [
    name,
    Object.groupBy(items as [string, unknown][], ([key]) => key),
  ]));
}

/** Moves a task of one process to another, unless the one dies before. */
async function move(run: GroupRun, task: TaskId, from: GroupProcess, to: GroupProcess) {
  const revoked = run.revoke(from, task);
  await run.pass();
  if (await revoked) run.assign(to, task);
}

for (const [name, flow] of Object.entries(FLOWS)) {
  for (const processes of [1, 2, 3]) {
    Deno.test(`${name}: as on one machine, with ${processes} processes`, async () => {
      const run = new GroupRun(flow.build, flow.topics);
      const random = new Random(processes);
      append(run, flow, random, 60);
      const all = Array.from({ length: processes }, () => run.start());
      run.tasks.forEach((task, i) => run.assign(all[i % processes], task));
      for (let i = 0; i < 5; i++) {
        await run.pass(30);
        append(run, flow, random, 20);
      }
      await run.drain();
      await run.stop();
      await assertAsOnOneMachine(run, flow);
    });
  }

  Deno.test(`${name}: as on one machine, while tasks move between processes`, async () => {
    const run = new GroupRun(flow.build, flow.topics);
    const random = new Random(7);
    const [a, b, c] = [run.start(), run.start(), run.start()];
    run.assign(a, ...run.tasks);
    for (const [from, to] of [[a, b], [a, c], [b, c], [c, a], [a, b], [c, b], [b, a]]) {
      append(run, flow, random, 15);
      await run.pass(40);
      if (from.tasks.size > 0) await move(run, random.pick([...from.tasks]), from, to);
    }
    assert(b.log.calls.length > 0 && c.log.calls.length > 0, "tasks have moved");
    await run.drain();
    await run.stop();
    await assertAsOnOneMachine(run, flow);
  });

  for (const point of POINTS) {
    Deno.test(`${name}: as on one machine, though a process dies: ${point}`, async () => {
      const run = new GroupRun(flow.build, flow.topics);
      const random = new Random(11);
      append(run, flow, random, 40);
      let seen = 0;
      run.group.stopAt = (at, log) =>
        at === point && log === run.processes[0].log && ++seen === (point === "restoring" ? 1 : 3);
      const [a, b] = [run.start(), run.start()];
      run.tasks.forEach((task, i) => run.assign(i % 2 === 0 ? a : b, task));
      let deaths = 0;
      const replace = async () => {
        const dead = run.processes.find(({ log }) => log.isDead)!;
        run.group.stopAt = null;
        const tasks = await run.kill(dead);
        deaths++;
        run.assign(run.start(), ...tasks);
      };
      for (let i = 0; i < 6; i++) {
        await run.pass();
        append(run, flow, random, 10);
        if (a.log.isDead && deaths === 0) await replace();
        // At first there is nothing to restore, so tasks move once there is.
        if (i !== 2 || point !== "restoring") continue;
        for (const task of [...b.tasks]) await move(run, task, b, a);
      }
      await run.drain(replace);
      await run.stop();
      const hasState = run.cut().topology.subtopologies.some((each) => each.hasState);
      assertEquals(deaths, point === "restoring" && !hasState ? 0 : 1);
      await assertAsOnOneMachine(run, flow);
    });
  }

  for (let seed = 1; seed <= 6; seed++) {
    Deno.test(`${name}: as on one machine, whatever happens by chance (seed ${seed})`, async () => {
      const run = new GroupRun(flow.build, flow.topics);
      await live(run, flow, new Random(seed));
      await assertAsOnOneMachine(run, flow);
    });
  }
}

/** Lets items come, processes come, stop and die, and tasks move, by chance. */
async function live(run: GroupRun, flow: GroupFlow, random: Random): Promise<void> {
  run.assign(run.start(), ...run.tasks);
  run.group.stopAt = () => random.below(150) === 0;
  const replace = async () => {
    for (const dead of run.processes.filter(({ log }) => log.isDead)) {
      const tasks = await run.kill(dead);
      if (run.processes.length === 0) run.start();
      for (const task of tasks) run.assign(random.pick(run.processes), task);
    }
  };
  for (let step = 0; step < 40; step++) {
    append(run, flow, random, random.below(8));
    const from = random.pick(run.processes);
    const what = random.below(10);
    if (what === 0 && run.processes.length < 4) run.start();
    else if (what === 1) from.log.die();
    else if (what < 6 && from.tasks.size > 0) {
      await move(run, random.pick([...from.tasks]), from, random.pick(run.processes));
    } else await run.pass(random.below(150));
    await replace();
    run.throwFailure();
  }
  run.group.stopAt = null;
  append(run, flow, random, 10);
  await run.drain(replace);
  await run.stop();
}
