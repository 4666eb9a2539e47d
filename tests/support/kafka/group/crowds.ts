/** Crowds of members in groups of both protocols, with tests of them. */
import { assert } from "@std/assert";
import { crowd, type CrowdOptions } from "../../group/crowd.ts";
import { classicWorld, streamsWorld } from "./worlds.ts";

const PROTOCOLS = { streams: streamsWorld, classic: classicWorld };

/**
 * How soon all tasks must run after a machine has joined or left, in milliseconds. The scouts hear
 * of it, and the tasks are handed over.
 */
const SETTLES_MS = 2_500;

/** Faults that have to happen in the schedules of a test. */
const FAULTS = ["leave", "die", "return", "cut", "answer lost", "request late", "silence"];

/**
 * Registers a test of each protocol: as many schedules from a seed, which it prints. There are as
 * many tasks that read as members, and three times as many with state.
 */
export function testCrowd(options: CrowdOptions, schedules: number, seed: number): void {
  const members = options.machines * options.workers;
  const tasks = { read: members, keyed: 3 * members + 5 };
  for (const [protocol, world] of Object.entries(PROTOCOLS)) {
    const name = `${protocol}, ${members} members, ${schedules} seeds from ${seed}`;
    Deno.test(`${name}: all settles, and hardly more moves than must`, async () => {
      const happened = new Set<string>();
      const settledMs: number[] = [];
      let [moved, least, requests, ms] = [0, 0, 0, 0];
      for (let each = seed; each < seed + schedules; each++) {
        try {
          const report = await crowd(world(tasks), each, options);
          for (const what of report.happened.keys()) happened.add(what);
          settledMs.push(...report.settledMs);
          moved += report.moved;
          least += report.least;
          requests = Math.max(requests, report.idleRequests);
          // A scout of each machine each second, the others to stay in the group, and the leader.
          const calm = report.machines * (1 + 0.6 * (options.workers - 1)) + 4;
          assert(
            report.idleRequests <= calm,
            `${report.idleRequests} requests/s while nothing happens: ${calm} are enough`,
          );
          ms += report.ms;
        } catch (error) {
          throw new Error(`with SEED=${each}: ${(error as Error).message}`, { cause: error });
        }
      }
      console.log(
        `${name}: ${moved} tasks moved, ${least} were enough; a join or leave took up to ` +
          `${Math.max(...settledMs)} ms; ${requests} requests/s when idle; ` +
          `${(ms / 60_000).toFixed(0)} minutes in all`,
      );
      assert(Math.max(...settledMs) <= SETTLES_MS, `took ${Math.max(...settledMs)} ms`);
      const missing = FAULTS.filter((fault) => !happened.has(fault));
      assert(missing.length === 0, `these did not happen: ${missing}`);
    });
  }
}
