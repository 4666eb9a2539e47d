/**
 * Nexmark's queries on one worker and on two, each checked against batch code: `NEXMARK_EVENTS` says over
 * how many events, `NEXMARK_QUERIES` which queries, such as `1,5`.
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
const EVENTS = Number(Deno.env.get("NEXMARK_EVENTS") ?? 1_000_000);
const QUERIES = Deno.env.get("NEXMARK_QUERIES")?.split(",") ?? Object.keys(BATCHES);

/** All events, and how long making them took. */
function generate(): { events: Event[]; ms: number } {
  const events: Event[] = new Array(EVENTS);
  const started = performance.now();
  for (let n = 0; n < EVENTS; n++) events[n] = eventAt(shuffled(n, GROUP));
  const ms = performance.now() - started;
  return { events: events.sort((a, b) => a.dateTime - b.dateTime), ms };
}

/** One run of a query: how long it took, how many results it had, and of which sums. */
async function run(
  query: string,
  workers: number,
  mode: "check" | "time",
): Promise<{ ms: number; taken: number; digest: Digest }> {
  const timed = await runTimed(`../nexmark/q${query}.ts`, {
    workers,
    args: [String(EVENTS), mode],
  });
  const digest = new Digest();
  let taken = 0;
  for (const facts of timed.workers) {
    taken += Number(facts.taken);
    digest.addAll(facts.digest as DigestSums);
  }
  return { ms: timed.ms, taken, digest };
}

const { events, ms } = generate();
console.log(
  `\nNexmark, ${EVENTS.toLocaleString("en")} events (median of ${ROUNDS}, in turns; ` +
    `making the events alone: ${rateOf(EVENTS / ms * 1e3)} events/s)`,
);
for (const query of QUERIES) {
  const expected = new Digest();
  let count = 0;
  for (const result of BATCHES[Number(query)](events)) {
    expected.add(result);
    count++;
  }
  for (const workers of WORKERS) {
    const { digest } = await run(query, workers, "check");
    if (String(digest) !== String(expected)) {
      throw new Error(`query ${query}, ${workers} workers: ${digest}; batch code: ${expected}`);
    }
  }
  // Where time is taken, results are only counted: in query 1 the digests would take most of it.
  const times = new Map<number, number[]>(WORKERS.map((workers) => [workers, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const workers of WORKERS) {
      const { ms, taken } = await run(query, workers, "time");
      if (taken !== count) throw new Error(`query ${query} had ${taken} results, not ${count}`);
      times.get(workers)!.push(ms);
    }
  }
  const first = median(times.get(WORKERS[0])!);
  for (const [workers, all] of times) {
    const took = median(all);
    console.log(
      `  ${`query ${query}, ${workers} worker${workers === 1 ? "" : "s"}`.padEnd(22)}` +
        `${`${rateOf(EVENTS / took * 1e3)} events/s`.padStart(18)}  ratio ${
          (first / took).toFixed(2)
        }  (${Math.min(...all).toFixed(0)}-${Math.max(...all).toFixed(0)} ms)  ` +
        `${count.toLocaleString("en")} results, as of batch code`,
    );
  }
}
