/** How much faster two machines are than one, if a step takes its time. */
import { folderOf } from "../../tests/support/cli.ts";
import {
  countedBy,
  ORDERS,
  orders,
  PARTITIONS,
  settled,
  SHARDS,
  startInGroup,
  type Topics,
} from "../group_support.ts";
import { median, rateOf } from "../support.ts";

const COUNT = 400_000;
const ROUNDS = 3;
const STEP_US = 20;

/** Prints their speeds. Machines and the broker share the cores of this one. */
export async function measureNodes(topics: Topics): Promise<void> {
  const machines = [1, 2];
  const speeds = machines.map(() => [] as number[]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, count] of machines.entries()) speeds[n].push(await measure(topics, count));
  }
  console.log(
    `\nrunning counts of ${COUNT} orders, ${STEP_US} µs of a step for each, commits of 1 s, ` +
      `median of ${ROUNDS}, in turns`,
  );
  for (const [n, count] of machines.entries()) {
    const ratio = (median(speeds[n]) / median(speeds[0])).toFixed(2);
    const all = speeds[n].map(rateOf).join(", ");
    console.log(`  machines: ${count}  ratio ${ratio}  (${all} orders/s)`);
  }
}

/** Returns how many orders machines count in a second. They share the tasks before the first. */
async function measure(topics: Topics, count: number): Promise<number> {
  const [from, to] = [await topics.make(), await topics.make()];
  const held = await topics.hold(from, COUNT / ORDERS, orders);
  const app = `app-${to}`;
  const flow = { app, topics, kind: "count", from, to, more: [String(STEP_US)] };
  await using machines = new AsyncDisposableStack();
  const started = [];
  for (let n = 0; n < count; n++) {
    const { path } = machines.use(await folderOf({}));
    started.push(machines.use(startInGroup(flow, path)));
  }
  await settled(app, topics, { members: count, tasks: PARTITIONS + SHARDS });
  const released = await held.release();
  await topics.untilWritten(to, COUNT);
  return COUNT / (countedBy(started).at(-1)!.at - released) * 1_000;
}
