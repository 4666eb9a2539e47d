/** Answers get lost between a group's node and the broker, and nodes are cut off or stand still. */
import { assert, assertEquals } from "@std/assert";
import { type API, type Held, TcpProxy } from "../support/kafka/tcp_proxy.ts";
import { ownerOf } from "../support/socket_owner.ts";
import type { GroupNode } from "../support/group_nodes/node.ts";
import { GroupScene, type PROTOCOLS, type SceneOptions } from "../support/group_nodes/scene.ts";
import type { Random } from "../support/values/random.ts";
import { inTime } from "./exactly_once.ts";
import { SESSION_MS } from "./group_kills.ts";
import { pass } from "../support/eventually.ts";

type Api = keyof typeof API;

/** Requests by which a worker commits an epoch. */
export const COMMITTING: readonly Api[] = [
  "addPartitionsToTxn",
  "produce",
  "addOffsetsToTxn",
  "txnOffsetCommit",
  "endTxn",
];

/** Requests by which a member takes part in its group. */
export const MEMBER: Record<typeof PROTOCOLS[number], readonly Api[]> = {
  streams: ["streamsGroupHeartbeat"],
  classic: ["joinGroup", "syncGroup", "groupHeartbeat"],
};

/** How long an answer that comes late is held back: longer than any request waits. */
const LATE_MS = 7_000;

/** How a message gets lost. */
type Loss = "cut" | "late";

/**
 * T7: answers to requests get lost, or come late, one after the other. For those of a member, the
 * group changes meanwhile, so that an assignment is among them.
 */
export async function loseAnswers(
  options: SceneOptions,
  random: Random,
  apis: readonly Api[],
  losses: readonly Loss[],
): Promise<void> {
  await using scene = await GroupScene.create(options);
  await using proxy = new TcpProxy(options.brokers[0]);
  const a = scene.node("a", { brokers: [proxy.address] });
  const third = scene.node("third");
  await scene.start(a, scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  for (const api of apis) {
    const isOfMember = !COMMITTING.includes(api);
    for (const loss of losses) {
      const told = `the answer to ${api} was held back, to be ${loss}`;
      const held = proxy.hold(api, "answer", random.below(isOfMember ? 2 : 8));
      let isHeld = false;
      held.then(() => isHeld = true);
      while (isOfMember && !isHeld) await change(scene, third, () => isHeld);
      await lose(await inTime(held, told), loss);
      await scene.readOn();
      await scene.settled();
    }
  }
  assert(proxy.requests("endTxn") > 0, "node a has committed nothing");
  await scene.finish();
}

/** Has a node come or go, so that the group changes. */
async function change(scene: GroupScene, third: GroupNode, isHeld: () => boolean): Promise<void> {
  if (third.isRunning) await third.stop();
  else third.start(["--leave"]);
  const members = scene.members;
  await scene.until(async () => {
    if (isHeld()) return true;
    const group = await scene.described();
    return group?.state === "Stable" && group.tasks.size === members;
  }, "the group has changed");
}

async function lose(held: Held, loss: Loss): Promise<void> {
  if (loss === "cut") return held.drop();
  await pass(LATE_MS);
  held.release();
}

/**
 * T3: nothing gets through between a node and its broker, without any connection ending. Others
 * take over its tasks. Then all of it arrives, late, and the node is back without help.
 *
 * @param forMs How long that lasts after the others have taken over.
 */
export async function cutOff(options: SceneOptions, random: Random, forMs: number): Promise<void> {
  await using scene = await GroupScene.create(options);
  await using proxy = new TcpProxy(options.brokers[0]);
  const a = scene.node("a", { brokers: [proxy.address] });
  await scene.start(a, scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  await pass(random.below(500));
  const before = await scene.settled();
  {
    const measured = scene.measure(before);
    using _hole = proxy.blackHole();
    const others = await scene.settled(1);
    await scene.readOn();
    measured(others);
    await scene.until(() => a.log.includes("has lost tasks"), "the node drops its tasks itself");
    await pass(forMs);
  }
  assert(proxy.swallowed > 0, "nothing got lost");
  await scene.settled(2);
  await scene.readOn();
  await scene.finish();
}

/** Where in a commit a node stands still. */
export interface Standstill {
  readonly api: Api;
  readonly side: "request" | "answer";
  readonly what: string;
}

/** The points of a commit. */
export const STANDSTILLS: readonly Standstill[] = [
  { api: "produce", side: "request", what: "before records of an epoch arrive" },
  { api: "produce", side: "answer", what: "when records of an epoch have arrived" },
  { api: "txnOffsetCommit", side: "request", what: "before its positions arrive" },
  { api: "txnOffsetCommit", side: "answer", what: "when its positions have arrived" },
  { api: "endTxn", side: "request", what: "between its positions and the end of its transaction" },
  { api: "endTxn", side: "answer", what: "when its transaction has ended" },
];

/**
 * T4: a node is frozen at points of a commit, until others have taken over its tasks. Then what it
 * has sent last arrives, and it goes on as if nothing had been.
 *
 * @param forMs How long it is frozen after the others have taken over.
 */
export async function standStill(
  options: SceneOptions,
  random: Random,
  points: readonly Standstill[],
  forMs: number,
): Promise<void> {
  await using scene = await GroupScene.create(options);
  await using proxy = new TcpProxy(options.brokers[0]);
  const a = scene.node("a", { brokers: [proxy.address] });
  await scene.start(a, scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  for (const { api, side, what } of points) {
    const before = await scene.settled();
    const held = await inTime(proxy.hold(api, side, random.below(8)), `node a stands ${what}`);
    assert(a.workers.includes(ownerOf(held.clientPort, a.workers)), what);
    const frozenMs = performance.now();
    const measured = scene.measure(before);
    a.freeze();
    const others = await scene.settled(1);
    const movedMs = performance.now() - frozenMs;
    assert(movedMs > SESSION_MS / 2, `it was missed after ${movedMs} ms, ${what}, ${scene.told}`);
    await scene.readOn();
    measured(others);
    await pass(forMs);
    const isFirst = random.below(2) === 0; // whether the message arrives before the node goes on
    if (isFirst) held.release();
    await pass(isFirst ? 100 : 0);
    a.thaw();
    if (!isFirst) held.release();
    await scene.settled(2);
    await scene.readOn();
  }
  await scene.finish();
}

/** After this time, brokers abort a transaction that a worker has left open, in milliseconds. */
const TRANSACTION_MS = 10_000;

/**
 * T9: a worker stands still between the positions and the end of its transaction, until its broker
 * has aborted that. Its node goes on, so it stays a member. It does all of that epoch again.
 */
export async function outliveTransaction(options: SceneOptions, random: Random): Promise<void> {
  await using scene = await GroupScene.create(options);
  await using proxy = new TcpProxy(options.brokers[0]);
  const a = scene.node("a", { brokers: [proxy.address] });
  await scene.start(a, scene.node("b"));
  scene.feed.start();
  await scene.readOn();
  const before = await scene.settled();
  const held = await inTime(
    proxy.hold("endTxn", "request", random.below(8)),
    "a worker ends its transaction",
  );
  const worker = ownerOf(held.clientPort, a.workers);
  const measured = scene.measure(before);
  Deno.kill(worker, "SIGSTOP");
  await pass(TRANSACTION_MS + 2_000);
  held.release();
  await held.answered;
  Deno.kill(worker, "SIGCONT");
  await scene.until(
    () => a.log.includes("the worker failed and is started again"),
    "the worker finds that its transaction is over",
  );
  await scene.readOn();
  const tasks = measured(await scene.settled());
  assertEquals(tasks, [], `tasks moved, ${scene.told}\n${scene.logs}`);
  await scene.finish();
}
