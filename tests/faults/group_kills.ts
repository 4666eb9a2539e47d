/** Workers and nodes of a group are killed, and started again. */
import { assert, assertEquals } from "@std/assert";
import { kill } from "../support/cli.ts";
import { silentLog } from "../../src/core/log.ts";
import type { TaskId } from "../../src/core/task_id.ts";
import { storedOffsets } from "../../src/recovery/task_cache/stored_offsets.ts";
import type { DescribedGroup } from "../support/group_nodes/described_group.ts";
import { GroupScene, moved, type SceneOptions } from "../support/group_nodes/scene.ts";
import type { Random } from "../support/values/random.ts";
import { pass } from "../support/eventually.ts";

/** After this time without a word, a broker counts a member as dead, in milliseconds. */
export const SESSION_MS = 6_000;

/**
 * How long what follows may take on a busy machine, in milliseconds. It is less than it would be
 * with the sessions that groups have by default, which are 45 s.
 */
const GRACE_MS = 30_000;

/**
 * T1: workers are killed while records come. Each is started again as the member that it was, so
 * it gets its tasks back and no other one moves.
 *
 * @param kills How many workers are killed.
 */
export async function killWorkers(
  options: SceneOptions,
  random: Random,
  kills: number,
): Promise<void> {
  await using scene = await GroupScene.create(options);
  const nodes = [scene.node("a", { workers: 2 }), scene.node("b", { workers: 2 })];
  await scene.start(...nodes);
  scene.feed.start();
  await scene.readOn();
  const before = await scene.settled();
  const back: number[] = []; // one that dies twice in a row leaves the group for a while
  for (let n = 0; n < kills; n++) {
    const victim = random.pick(
      nodes.flatMap(({ workers }) => workers).filter((pid) => !back.slice(-2).includes(pid)),
    );
    const node = nodes.find(({ workers }) => workers.includes(victim))!;
    const others = node.workers.filter((pid) => pid !== victim);
    const measured = scene.measure(before);
    kill(victim);
    await scene.until(() => !node.workers.includes(victim), "the worker has gone");
    await pass(random.below(500));
    await scene.until(() => node.workers.length === 2, "all workers are back");
    back.push(node.workers.find((pid) => !others.includes(pid))!);
    await scene.readOn();
    measured(await scene.settled());
  }
  const after = await scene.settled();
  assertEquals(moved(before, after), [], `tasks moved, ${scene.told}`);
  await scene.finish();
  const deaths = nodes.map(({ log }) =>
    [...log.matchAll(/the worker failed and is started/g)].length
  );
  assertEquals(deaths[0] + deaths[1], kills, `workers that died, ${scene.told}\n${scene.logs}`);
}

/**
 * A worker dies, and dies again before it has got on. Another node runs its tasks until it is back,
 * and then it gets its share again.
 */
export async function killAgain(options: SceneOptions): Promise<void> {
  await using scene = await GroupScene.create(options);
  const [dying, other] = [scene.node("a"), scene.node("b")];
  await scene.start(dying, other);
  scene.feed.start();
  await scene.readOn();
  const assigned = () => [...other.log.matchAll(/tasks assigned/g)].length;
  const before = assigned();
  const [first] = dying.workers;
  kill(first);
  await scene.until(() => dying.workers.some((pid) => pid !== first), "another process begins");
  kill(dying.workers.find((pid) => pid !== first)!);
  await scene.until(() => assigned() > before, "another node gets the tasks");
  assert(
    /the worker keeps failing/.test(dying.log),
    `it has not left, ${scene.told}\n${scene.logs}`,
  );
  await scene.settled();
  await scene.readOn();
  await scene.finish();
}

/**
 * T2: a node dies with all of its processes. Others take its tasks over once the group misses it,
 * and what has not moved goes on meanwhile.
 *
 * @param returns Whether it is started again, on the disk that it had.
 */
export async function killNode(
  options: SceneOptions,
  random: Random,
  { returns }: { readonly returns: boolean },
): Promise<void> {
  await using scene = await GroupScene.create(options);
  const nodes = ["a", "b", "c"].map((name) => scene.node(name));
  await scene.start(...nodes);
  scene.feed.start();
  await scene.readOn();
  await pass(random.below(500));
  const victim = random.pick(nodes);
  const measured = scene.measure(await scene.settled());
  await victim.kill();
  const killedMs = performance.now();
  if (!returns) {
    await scene.settled();
    const tookMs = performance.now() - killedMs;
    assert(tookMs > SESSION_MS / 2, `the group missed the node after ${tookMs} ms, ${scene.told}`);
    assert(
      tookMs < SESSION_MS + GRACE_MS,
      `others had its tasks after ${tookMs} ms, ${scene.told}`,
    );
    await scene.readOn();
    const tasks = measured(await scene.settled());
    assert(tasks.length > 0, `nothing moved, ${scene.told}`);
  } else {
    await pass(random.below(SESSION_MS / 2));
    victim.start();
    await scene.readOn();
    measured(await scene.settled());
  }
  await scene.finish();
}

/**
 * A node dies, and the other one has copies of its tasks' states. It takes them over with little to
 * read, and nothing is lost.
 */
export async function killNodeWithCopies(options: SceneOptions): Promise<void> {
  await using scene = await GroupScene.create({
    ...options,
    logLevel: "debug",
  });
  const nodes = [scene.node("a"), scene.node("b")];
  for (const node of nodes) node.start(["--standbys=1"]);
  const { tasks } = await scene.settled();
  const [a, b] = nodes;
  const owned = statefulOf(tasks, memberOf(scene, "a"));
  scene.feed.start();
  const isCurrent = (task: string) =>
    b.log.split("\n").some((line) => line.includes("state is current") && hasTask(line, task));
  await scene.until(
    () => owned.every(isCurrent),
    () =>
      `the other node has copies of ${owned.filter((task) => !isCurrent(task)).join()}: ${
        b.log.split("\n").filter((line) => /standby|copy of/.test(line)).join("\n")
      }`,
    20_000,
  );
  await scene.readOn(20);
  await a.kill();
  await scene.settled();
  await scene.readOn();
  let restored = 0;
  for (const task of owned) {
    const lines = b.log.split("\n").filter((line) =>
      line.includes("changelog of a task has been read") && hasTask(line, task)
    );
    const [, records, end] = /records=(\d+) end=(\d+)/.exec(lines.at(-1) ?? "") ?? [];
    const told = `${task}: ${lines.join()}, ${scene.told}\n${scene.logs}`;
    assert(end !== undefined, told);
    if (end === "0") continue; // no key has come to the shard
    restored++;
    assert(lines.at(-1)?.includes("onDisk=true"), told);
    assert(Number(records) * 2 < Number(end), told);
  }
  assert(restored > 0, `${owned.join()}, ${scene.told}`);
  await scene.finish();
}

/** The id of the member of a node with one worker. */
function memberOf(scene: GroupScene, node: string): string {
  const text = Deno.readTextFileSync(`${scene.folder}/${node}/${scene.app}/node.json`);
  const [id] = JSON.parse(text).memberIds as string[];
  return id;
}

/** The tasks of a member that have a state. */
function statefulOf(tasks: DescribedGroup["tasks"], member: string): TaskId[] {
  return tasks.get(member)!.filter((task) => !task.startsWith("in_"));
}

/**
 * All nodes are stopped until the group has forgotten them, and start in another order. The first
 * one gets all tasks. The other one gets those back of whose states its disk has most.
 */
export async function restartSwapped(options: SceneOptions): Promise<void> {
  await using scene = await GroupScene.create(options);
  const [a, b] = [scene.node("a"), scene.node("b")];
  await scene.start(a); // so it has something of all tasks on its disk
  scene.feed.start();
  await scene.readOn();
  await scene.start(b);
  await scene.readOn(20);
  const before = await scene.settled();
  // Its own tasks are to be newer on its disk than those that moved, by all the records since.
  await scene.feed.rest();
  await scene.until(
    () => scene.watched.count(scene.to.totals) >= scene.feed.written,
    "all has been worked off",
  );
  await scene.stop();
  await scene.until(
    async () => (await scene.described())?.tasks.size === 0,
    "the group has forgotten its members",
  );
  await scene.start(b);
  await scene.start(a);
  const after = await scene.settled();
  const member = memberOf(scene, "a");
  const stored = storedOffsets(`${scene.folder}/a/${scene.app}`, scene.app, silentLog);
  // Those to whose shards no key has come are on no disk.
  const had = statefulOf(before.tasks, member).filter((task) => stored.has(task));
  assert(had.length > 0, scene.told);
  const missing = had.filter((task) => !after.tasks.get(member)!.includes(task));
  assertEquals(missing, [], `of ${had}, ${scene.told}\n${scene.logs}`);
  scene.feed.start();
  await scene.readOn();
  await scene.finish();
}

function hasTask(line: string, task: string): boolean {
  return line.includes(`task="${task}"`);
}

/** How often a node is restarted until enough were quick enough, and how many those are. */
const RESTARTS = { most: 8, least: 3 };

/** From this time on without a word, a restart does not count, in milliseconds. */
const TOO_SLOW_MS = SESSION_MS - 2_000;

/**
 * T5: each node is stopped and started again on its own disk, one after the other. Nothing moves,
 * and the group has no new assignment. On a busy machine, a node can take longer to start than the
 * group waits for it; that proves nothing.
 */
export async function restartInTurn(options: SceneOptions, random: Random): Promise<void> {
  await using scene = await GroupScene.create({ ...options, logLevel: "debug" });
  const nodes = ["a", "b", "c"].map((name) => scene.node(name));
  await scene.start(...nodes);
  scene.feed.start();
  await scene.readOn();
  let quick = 0;
  for (let n = 0; n < RESTARTS.most && quick < RESTARTS.least; n++) {
    const before = await scene.settled();
    const node = nodes[n % nodes.length];
    const measured = scene.measure(before);
    const restored = () => restoresIn(node.log).length;
    const restoredBefore = restored();
    await node.stop();
    const stoppedMs = performance.now();
    await pass(random.below(500));
    node.start();
    await node.untilStarted();
    const silentMs = performance.now() - stoppedMs;
    await scene.readOn();
    const after = await scene.settled();
    const tasks = measured(after);
    if (silentMs > TOO_SLOW_MS) continue;
    quick++;
    const told = `after ${silentMs} ms of silence, ${scene.told}`;
    assertEquals(tasks, [], `tasks moved ${told}`);
    assertEquals(after.epoch, before.epoch, `the group's epoch ${told}`);
    const restores = restoresIn(node.log).slice(restoredBefore);
    scene.figures.add("restored records", ...restores.map(({ records }) => records));
    assertEquals(restores.filter(({ onDisk }) => !onDisk), [], `read as a whole ${told}`);
    const [read, all] = [sumOf(restores, "records"), sumOf(restores, "end")];
    assert(all > 0 && read < all, `${read} of ${all} records were read ${told}`);
  }
  assertEquals(quick, RESTARTS.least, `restarts were too slow, ${scene.told}\n${scene.logs}`);
  await scene.finish();
}

/** How a task was restored: what was read of its changelog, out of how many records. */
interface Restore {
  readonly records: number;
  readonly end: number;
  /** Whether the disk had the rest. */
  readonly onDisk: boolean;
}

/** What a log says of restored tasks with anything to restore. */
function restoresIn(log: string): Restore[] {
  const lines = log.split("\n").filter((line) =>
    line.includes("changelog of a task has been read")
  );
  return lines.map((line) => {
    const numberOf = (name: string) => Number(new RegExp(`${name}=(\\d+)`).exec(line)![1]);
    const onDisk = line.includes("onDisk=true");
    return { records: numberOf("records"), end: numberOf("end"), onDisk };
  }).filter(({ end }) => end > 0);
}

function sumOf(restores: readonly Restore[], name: "records" | "end"): number {
  return restores.reduce((sum, restore) => sum + restore[name], 0);
}
