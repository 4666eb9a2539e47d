/** T14: all faults by chance, one after the other, on one group that goes on for long. */
import { assert } from "@std/assert";
import { kill } from "../support/cli.ts";
import { pass } from "../support/eventually.ts";
import type { GroupNode } from "../support/group_nodes/node.ts";
import { GroupScene, type SceneOptions } from "../support/group_nodes/scene.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";
import type { Random } from "../support/values/random.ts";
import { inTime } from "./exactly_once.ts";
import { SESSION_MS } from "./group_kills.ts";
import { COMMITTING } from "./group_network.ts";

/** How many more files a process may have open at the end: connections that come and go. */
const MORE_FILES = 20;

/** What a process of a node uses. */
interface Use {
  readonly pid: number;
  readonly megabytes: number;
  readonly files: number;
}

/**
 * Causes faults until the time is over, and each of them at least once. Three nodes are struck. The
 * fourth only sees what they cause: the files that its processes have open must not become more.
 * (One that has no broker for longer than a session is made again, but not the node's own.)
 */
export async function soak(
  options: Omit<SceneOptions, "brokers">,
  random: Random,
  forMs: number,
): Promise<void> {
  await using cluster = await KafkaCluster.start({
    brokers: 1,
    properties: {
      "group.streams.min.session.timeout.ms": SESSION_MS,
      "group.streams.session.timeout.ms": SESSION_MS,
      "group.streams.assignment.interval.ms": 0,
      "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
    },
  });
  const { brokers } = cluster;
  await using scene = await GroupScene.create({ ...options, brokers });
  await using proxy = new TcpProxy(brokers[0]);
  const cutOff = scene.node("cut off", { brokers: [proxy.address] });
  const struck = [cutOff, scene.node("b", { workers: 2 }), scene.node("c")];
  const steady = scene.node("steady");
  const coming = scene.node("coming");
  const faults = faultsOf({ scene, cluster, proxy, cutOff, struck, coming }, random);
  await scene.start(...struck, steady);
  scene.feed.start(20, 50);
  await scene.readOn();
  const atStart = usesOf(steady);
  const beganMs = performance.now();
  for (let round = 1; performance.now() - beganMs < forMs; round++) {
    for (const [what, cause] of shuffled(faults, random)) {
      const measured = scene.measure(await scene.settled());
      const fromMs = performance.now();
      await cause();
      await scene.settled();
      await scene.readOn();
      const moved = measured(await scene.settled()).length;
      const [atS, tookS] = [fromMs - beganMs, performance.now() - fromMs].map((ms) =>
        Math.round(ms / 1_000)
      );
      console.log(
        `${options.protocol} ${atS} s, round ${round}: ${what}: ${moved} tasks moved, ` +
          `all went on after ${tookS} s; ${shown(usesOf(steady))}`,
      );
    }
  }
  const atEnd = usesOf(steady);
  const count = await scene.finish();
  console.log(`${count} records; the steady node: ${shown(atStart)} → ${shown(atEnd)}`);
  const both = atEnd.flatMap((use) =>
    atStart.filter(({ pid }) => pid === use.pid).map((before) => ({ before, after: use }))
  );
  assert(both.length > 0, `the steady node is another one, ${scene.told}\n${scene.logs}`);
  for (const { before, after } of both) {
    assert(after.files <= before.files + MORE_FILES, `${shown(atEnd)}, ${scene.told}`);
  }
}

/** What faults strike. */
interface Targets {
  readonly scene: GroupScene;
  readonly cluster: KafkaCluster;
  readonly proxy: TcpProxy;
  /** The node that uses the proxy. */
  readonly cutOff: GroupNode;
  readonly struck: readonly GroupNode[];
  /** A node that does not run at first. */
  readonly coming: GroupNode;
}

/** Each fault, by what it is. It must have happened when its function returns. */
function faultsOf(
  { scene, cluster, proxy, cutOff, struck, coming }: Targets,
  random: Random,
): [string, () => Promise<void>][] {
  const { told } = scene;
  /** Up to twice as long as the group waits for a member. */
  const someTime = () => pass(random.below(2 * SESSION_MS));
  return [
    ["a worker is killed", async () => {
      const node = random.pick(struck);
      const victim = random.pick(node.workers);
      kill(victim);
      await scene.until(() => !node.workers.includes(victim), "the worker has gone");
    }],
    ["a node is killed", async () => {
      const node = random.pick(struck);
      await node.kill();
      await someTime();
      node.start();
    }],
    ["a node is stopped", async () => {
      const node = random.pick(struck);
      await node.stop();
      await someTime();
      node.start();
    }],
    ["a node comes or goes", async () => {
      if (coming.isRunning) await coming.stop();
      else coming.start(["--leave"]);
    }],
    ["a node stands still", async () => {
      const node = random.pick(struck);
      node.freeze();
      await someTime();
      node.thaw();
    }],
    ["a node is cut off", async () => {
      const before = proxy.swallowed;
      {
        using _hole = proxy.blackHole();
        await pass(1_000);
        await someTime();
      }
      assert(proxy.swallowed > before, `nothing got lost, ${told}`);
    }],
    ["connections are cut", () => {
      const before = proxy.cuts;
      proxy.cutAll();
      assert(proxy.cuts > before, `there was nothing to cut, ${told}`);
      return Promise.resolve();
    }],
    ["an answer gets lost", async () => {
      const api = random.pick(COMMITTING);
      // It commits once tasks of it run.
      const held = proxy.hold(api, "answer", random.below(8));
      await scene.until(() => cutOff.isRunning, "the node runs");
      (await inTime(held, `the answer to ${api} was held back`)).drop();
    }],
    ["the broker is killed", async () => {
      await cluster.kill(0);
      await pass(random.below(5_000));
      await cluster.start(0);
    }],
  ];
}

/** All of them once, in an order by chance. */
function shuffled<T>(all: readonly T[], random: Random): T[] {
  return all.map((each) => [random.below(1 << 30), each] as const)
    .sort(([a], [b]) => a - b).map(([, each]) => each);
}

/** What each process of a node uses at present. Linux only. */
function usesOf(node: GroupNode): Use[] {
  return node.processes.map((pid) => {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
    const files = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    return { pid, megabytes: Math.round(kilobytes / 1024), files };
  });
}

function shown(uses: readonly Use[]): string {
  return uses.map(({ megabytes, files }) => `${megabytes} MB, ${files} files`).join(" and ");
}
