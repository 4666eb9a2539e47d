/** A node joins a group with much state, and tasks move to it. */
import { assert } from "@std/assert";
import { GroupScene, moved, type SceneOptions } from "../support/group_nodes/scene.ts";
import { pass } from "../support/eventually.ts";
import { produce } from "../support/kafka/kafka.ts";

/** What a move has shown. */
export interface HandOverReport {
  /** Tasks with state that have moved, and how many records there are of their states. */
  readonly tasks: number;
  readonly records: number;
  /** How many of these the new owner has read after it got the tasks. */
  readonly readLate: number;
  /** The longest times without a result of any key that is fed, longest first, in milliseconds. */
  readonly gapsMs: readonly number[];
  /** From the start of the node until the tasks were shared, in milliseconds. */
  readonly settledMs: number;
}

/** How many partitions the input has, which the keys are spread over. */
const PARTITIONS = 4;

/** How long the feed goes on after the move, in milliseconds: all tasks run again by then. */
const AFTER_MS = 3_000;

/**
 * One node runs alone and has counted `keys` keys, and 40 more that go on. A second one joins, and
 * half of the tasks move to it.
 *
 * @param hasDisk Whether the second node can read states before it gets their tasks.
 */
export async function handOver(
  options: SceneOptions,
  { keys, hasDisk }: { readonly keys: number; readonly hasDisk: boolean },
): Promise<HandOverReport> {
  await using scene = await GroupScene.create({ ...options, logLevel: "debug" });
  const a = scene.node("a");
  const b = scene.node("b", hasDisk ? {} : { disk: null });
  await scene.start(a);
  const records = Array.from({ length: keys }, (_, n) => ({
    key: `key ${1_000 + n}`,
    value: "x".repeat(20),
    partition: n % PARTITIONS,
    timestamp: 1,
  }));
  await produce(scene.brokers, scene.from, records);
  await scene.until(
    () => scene.watched.count(scene.to.counts) >= keys,
    () => `all ${keys} keys are counted (${scene.watched.count(scene.to.counts)} are)`,
    180_000,
  );
  scene.feed.start();
  await pass(1_000);
  const before = await scene.settled();
  const begunMs = performance.now();
  b.start();
  const after = await scene.settled();
  const settledMs = performance.now() - begunMs;
  await scene.until(() => restores(b.log).size > 0, "a state has been restored");
  await pass(AFTER_MS);
  const gaps = scene.watched.gaps(scene.to.counts, begunMs, performance.now());
  const gapsMs = [...gaps].filter(([key]) => Number(key.split(" ")[1]) < 1_000)
    .map(([, ms]) => Math.round(ms)).sort((x, y) => y - x);
  const tasks = moved(before, after).filter((task) => task.startsWith("count"));
  const read = restores(b.log);
  const sum = (what: (each: Restore) => number) =>
    tasks.reduce((all, task) => all + what(read.get(task) ?? { records: 0, end: 0 }), 0);
  const report = {
    tasks: tasks.length,
    records: sum(({ end }) => end),
    readLate: sum(({ records }) => records),
    gapsMs,
    settledMs: Math.round(settledMs),
  };
  assert(report.records >= keys / 4, `${JSON.stringify(report)}\n${scene.logs}`);
  await scene.finish();
  return report;
}

interface Restore {
  readonly records: number;
  readonly end: number;
}

/** What each task's restore has read, as the log of its node says. */
function restores(log: string): Map<string, Restore> {
  const found = log.matchAll(
    /changelog of a task has been read.*?task="([^"]+)" records=(\d+) end=(\d+)/g,
  );
  return new Map(
    Array.from(found, ([, task, records, end]) => [
      task,
      { records: Number(records), end: Number(end) },
    ]),
  );
}
