/** How long keys stand still while machines come and go: those whose tasks do not move. */
import { keyGroupOf } from "../../src/core/key_groups.ts";
import { taskId } from "../../src/core/task_id.ts";
import { GroupScene, moved, PARTITIONS, SHARDS } from "../../tests/support/group_nodes/scene.ts";
import type { Topics } from "../group_support.ts";
import { percentile } from "../latency_support.ts";

const ROUNDS = 4;

/** What a machine that comes or goes does to keys: the longest time of each without results. */
interface Pauses {
  readonly unmoved: number[];
  readonly moved: number[];
}

/** Prints the times of both protocols, with commits of 100 ms. */
export async function measureChanges({ brokers }: Topics): Promise<void> {
  for (const protocol of ["streams", "classic"] as const) {
    console.log(
      `\n${protocol}: two machines, and a third that comes and goes ${ROUNDS} times; ` +
        "commits of 100 ms; the longest time of a key without results",
    );
    const pauses: Record<string, Pauses> = {
      comes: { unmoved: [], moved: [] },
      goes: { unmoved: [], moved: [] },
      nothing: { unmoved: [], moved: [] },
    };
    await using scene = await GroupScene.create({ brokers, protocol });
    const [first, second, third] = ["a", "b", "c"].map((name) => scene.node(name));
    await scene.start(first, second);
    scene.feed.start();
    await scene.readOn();
    for (let round = 0; round < ROUNDS; round++) {
      await change(scene, pauses.comes, () => Promise.resolve(third.start(["--leave"])));
      await change(scene, pauses.nothing, () => scene.readOn(100));
      await change(scene, pauses.goes, () => third.stop());
    }
    for (const [name, { unmoved, moved }] of Object.entries(pauses)) {
      console.log(
        `  ${name.padEnd(8)} unmoved keys: ${shown(unmoved)}  moved keys: ${shown(moved)}`,
      );
    }
  }
}

async function change(scene: GroupScene, into: Pauses, make: () => Promise<void>): Promise<void> {
  const before = await scene.settled();
  const fromMs = performance.now();
  await make();
  const after = await scene.settled();
  await scene.readOn(50);
  const gone = new Set(moved(before, after));
  for (const [key, ms] of scene.watched.gaps(scene.to.counts, fromMs, performance.now())) {
    const read = taskId("in", Number(key.split(" ")[1]) % PARTITIONS);
    const counted = taskId("count", Math.floor(keyGroupOf(key) * SHARDS / 1024));
    (gone.has(read) || gone.has(counted) ? into.moved : into.unmoved).push(ms);
  }
}

function shown(times: number[]): string {
  if (times.length === 0) return "none";
  const sorted = times.sort((a, b) => a - b);
  const [half, most] = [0.5, 0.99].map((share) => percentile(sorted, share));
  return `median ${half} ms, p99 ${most} ms (${times.length})`;
}
