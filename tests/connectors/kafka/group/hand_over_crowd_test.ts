/**
 * Tasks that move run on until their takers have read their states. There are random schedules of
 * joins, leaves, deaths, cut networks, and lost and late answers and posts. `SEED=n` repeats one.
 */
import { assert } from "@std/assert";
import { crowd, type CrowdReport } from "../../../support/group/crowd.ts";
import { streamsWorld } from "../../../support/kafka/group/worlds.ts";
import { LOOK_MS } from "../../../../src/runtime/process/group/hand_over.ts";

const TASKS = { keyed: 24 };
const WAIT_MS = 12_000;
const SEEDS = 40;

async function run(handOverMs: number, events: number): Promise<CrowdReport[]> {
  const first = Number(Deno.env.get("SEED") ?? 1);
  const reports: CrowdReport[] = [];
  for (let seed = first; seed < first + SEEDS; seed++) {
    try {
      const options = { machines: 4, workers: 2, events, measured: 4 };
      reports.push(await crowd(streamsWorld(TASKS, handOverMs), seed, options));
    } catch (error) {
      throw new Error(`with SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  return reports;
}

const sum = (of: CrowdReport[], what: (each: CrowdReport) => number) =>
  of.reduce((all, each) => all + what(each), 0);

Deno.test(`${SEEDS} schedules: all tasks settle, and nobody waits for longer than it may`, async () => {
  const reports = await run(WAIT_MS, 10);
  const longest = Math.max(...reports.map(({ waitedMs }) => waitedMs));
  assert(longest > LOOK_MS, "nobody has waited");
  assert(longest <= WAIT_MS + 2 * LOOK_MS, `somebody waited for ${longest} ms`);
});

Deno.test(`${SEEDS} calm schedules: tasks of living members move with their states read`, async () => {
  const reports = await run(WAIT_MS, 0);
  const ready = sum(reports, ({ taken }) => taken.ready);
  const cold = sum(reports, ({ taken }) => taken.cold);
  console.log(`${ready} tasks moved with their states read, and ${cold} without`);
  assert(ready > SEEDS, `${ready} of ${ready + cold}`);
  assert(cold * 10 < ready, `${cold} of ${ready + cold} moved before their states were read`);
});
