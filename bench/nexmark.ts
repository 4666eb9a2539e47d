/**
 * Nexmark's queries on one worker and on two, each checked against batch code. `NEXMARK_EVENTS`
 * sets the number of events, `NEXMARK_QUERIES` the queries, such as `1,5`.
 */
import { runTimed } from "./cluster_support.ts";
import { BATCHES } from "./nexmark/batch.ts";
import { Digest, type DigestSums } from "./nexmark/digest.ts";
import { eventAt, shuffled } from "./nexmark/generator.ts";
import type { Event } from "./nexmark/model.ts";
import { GROUP } from "./nexmark/stream.ts";
import { median, rateOf } from "./support.ts";

const ROUNDS = 3;
const WORKERS = [1, 2];
const EVENTS = Number(Deno.env.get("NEXMARK_EVENTS") ?? 2_000_000);
const QUERIES = Deno.env.get("NEXMARK_QUERIES")?.split(",") ?? [...BATCHES.keys()];

/**
 * Queries without windows are timed over this many times as many events: otherwise they end too
 * soon.
 */
const LONGER = 5;
const WITHOUT_WINDOWS = ["1", "2", "3"];

/** Returns how long it takes to make the events alone, in milliseconds. */
function timeToGenerate(): number {
  const started = performance.now();
  let sum = 0;
  for (let n = 0; n < EVENTS; n++) sum += eventAt(shuffled(n, GROUP)).dateTime;
  if (sum === 0) throw new Error("no events");
  return performance.now() - started;
}

/** Returns all events by time. */
function generate(): Event[] {
  const events: Event[] = new Array(EVENTS);
  for (let n = 0; n < EVENTS; n++) events[n] = eventAt(shuffled(n, GROUP));
  return events.sort((a, b) => a.dateTime - b.dateTime);
}

/** Runs a query once; returns its time, the number of its results, and their sums. */
async function run(
  query: string,
  workers: number,
  count: number,
  mode: "check" | "time",
): Promise<{ ms: number; taken: number; digest: Digest }> {
  const timed = await runTimed(`../nexmark/q${query}.ts`, {
    workers,
    args: [String(count), mode],
  });
  const digest = new Digest();
  let taken = 0;
  for (const facts of timed.workers) {
    taken += Number(facts.taken);
    digest.addAll(facts.digest as DigestSums);
  }
  return { ms: timed.ms, taken, digest };
}

/** Compares the results of a query with those of batch code; returns their number. */
async function check(query: string, events: readonly Event[]): Promise<number> {
  const expected = new Digest();
  const results = BATCHES.get(query)!(events);
  for (const result of results) expected.add(result);
  for (const workers of WORKERS) {
    const { digest } = await run(query, workers, EVENTS, "check");
    if (String(digest) !== String(expected)) {
      throw new Error(`query ${query}, ${workers} workers: ${digest}; batch code: ${expected}`);
    }
  }
  return results.length;
}

/**
 * Times a query with each number of workers, by turns. Results are only counted: in query 1,
 * summing them up would take most of the time.
 */
async function time(query: string, count: number): Promise<Map<number, number[]>> {
  const times = new Map<number, number[]>(WORKERS.map((workers) => [workers, []]));
  let agreed: number | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    for (const workers of WORKERS) {
      const { ms, taken } = await run(query, workers, count, "time");
      agreed ??= taken;
      if (taken !== agreed) throw new Error(`query ${query} had ${taken} results and ${agreed}`);
      times.get(workers)!.push(ms);
    }
  }
  return times;
}

const alone = median(Array.from({ length: ROUNDS }, timeToGenerate));
const events = generate();
console.log(
  `\nNexmark (median of ${ROUNDS}, in turns; a loop that only makes the events: ` +
    `${rateOf(EVENTS / alone * 1e3)} events/s)`,
);
for (const query of QUERIES) {
  const results = await check(query, events);
  const count = WITHOUT_WINDOWS.includes(query) ? EVENTS * LONGER : EVENTS;
  console.log(
    `query ${query}: ${results.toLocaleString("en")} results of ${EVENTS.toLocaleString("en")} ` +
      `events are those of batch code; timed over ${count.toLocaleString("en")}`,
  );
  const times = await time(query, count);
  const first = median(times.get(WORKERS[0])!);
  for (const [workers, all] of times) {
    const took = median(all);
    console.log(
      `  ${`${workers} worker${workers === 1 ? "" : "s"}`.padEnd(12)}` +
        `${`${rateOf(count / took * 1e3)} events/s`.padStart(18)}  ratio ${
          (first / took).toFixed(2)
        }  (${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)} ms)`,
    );
  }
}
