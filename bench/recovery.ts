/**
 * The cost of recovery for a flow, a running count by key at full speed. It measures the rate with
 * and without a store, how long a snapshot delays the flow, and how long resuming takes.
 *
 * `... recovery.ts [cost] [pause] [resume]`
 */
import { SqliteRecoveryConfig } from "millrace";
import { runTimed, type Timed } from "./cluster_support.ts";
import { median, rateOf } from "./support.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 3);
const KEYS = 1_000_000;
const ITEMS = Number(Deno.env.get("ITEMS") ?? 50_000_000);
const MANY_KEYS = 5_000_000;
const SECONDS = 15;

interface Stretch {
  readonly ms: number;
  readonly items: number;
}

interface Facts {
  readonly taken: number;
  readonly first: number;
  readonly written: Stretch;
  readonly between: Stretch;
  readonly gaps: { readonly any: number; readonly atBarrier: readonly number[] };
}

const parts = Deno.args.length > 0 ? Deno.args : ["cost", "pause", "resume"];
const folder = await Deno.makeTempDir();
let stores = 0;

/** Runs the flow with epochs of this many seconds; `null` for no recovery. */
async function runCount(
  args: readonly string[],
  seconds: number | null,
  path = `${folder}/${stores++}.db`,
): Promise<{ ms: number; facts: Facts }> {
  const recovery = seconds === null ? undefined : new SqliteRecoveryConfig(path);
  const epoch = { interval: { seconds: seconds ?? 10 } };
  const timed: Timed = await runTimed("running_count.ts", { workers: 1, args, recovery, epoch });
  return { ms: timed.ms, facts: timed.workers[0] as unknown as Facts };
}

function ms(values: readonly number[]): string {
  return `${median(values).toFixed(0)} ms (${Math.min(...values).toFixed(0)} to ${
    Math.max(...values).toFixed(0)
  })`;
}

async function cost(): Promise<void> {
  const contestants = new Map<string, number | null>([
    ["no recovery", null],
    ["epochs of 10 s", 10],
    ["epochs of 1 s", 1],
  ]);
  const times = new Map<string, number[]>([...contestants.keys()].map((name) => [name, []]));
  const pauses = new Map<string, number[]>([...contestants.keys()].map((name) => [name, []]));
  const costs = new Map<string, number[]>([...contestants.keys()].map((name) => [name, []]));
  const epochs = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    // Each is first, second and last equally often.
    const turn = [...contestants, ...contestants].slice(round % 3, round % 3 + 3);
    for (const [name, seconds] of turn) {
      const { ms, facts } = await runCount(["all", `${KEYS}`, `${ITEMS}`], seconds);
      if (facts.taken !== ITEMS) throw new Error(`${name}: ${facts.taken} items came out`);
      times.get(name)!.push(ms);
      pauses.get(name)!.push(...facts.gaps.atBarrier);
      if (seconds !== null) costs.get(name)!.push(costWithin(facts));
      epochs.set(name, facts.gaps.atBarrier.length);
    }
  }
  const [base] = times.values();
  console.log(
    `\nA running count of ${KEYS.toLocaleString("en")} keys, ${ITEMS.toLocaleString("en")} items ` +
      `(median of ${ROUNDS}, in turns)`,
  );
  for (const [name, all] of times) {
    // Within each round, since other work on the machine changes from minute to minute.
    const ratios = all.map((took, round) => took / base[round]);
    console.log(
      `  ${name.padEnd(16)}${`${rateOf(ITEMS / median(all) * 1e3)} items/s`.padStart(18)}  ` +
        `time as a ratio: of medians ${(median(all) / median(base)).toFixed(3)}, by rounds ` +
        `${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(" ")})  ` +
        `(${ms(all)})  ` +
        `${epochs.get(name)} epochs, held up ${
          pauses.get(name)!.length > 0 ? ms(pauses.get(name)!) : "-"
        }`,
    );
    const within = costs.get(name)!.filter((cost) => !Number.isNaN(cost));
    if (within.length === 0) continue;
    console.log(
      `${" ".repeat(18)}within each run, beside the time when no epoch is written: ` +
        `${median(within).toFixed(3)} (${within.map((cost) => cost.toFixed(3)).join(" ")})`,
    );
  }
}

/**
 * Returns how long the items of a run took, from the first committed epoch on, as a ratio to the
 * rate between epochs. Other work on the machine changes from run to run, but less within one.
 */
function costWithin({ written, between }: Facts): number {
  const rate = between.items / between.ms;
  return (written.ms + between.ms) / ((written.items + between.items) / rate);
}

async function pause(): Promise<void> {
  console.log(
    `\n${MANY_KEYS.toLocaleString("en")} keys of which 1,000 change in an epoch of 1 s, for ` +
      `${SECONDS} s at full speed`,
  );
  for (const [name, seconds] of [["no recovery", null], ["recovery", 1]] as const) {
    const args = ["some", `${MANY_KEYS}`, `${SECONDS}`, ...(seconds === null ? [] : ["recovery"])];
    const { facts } = await runCount(args, seconds);
    const { any, atBarrier } = facts.gaps;
    console.log(
      `  ${name.padEnd(14)}longest time between batches ${any.toFixed(1)} ms; ` +
        `${atBarrier.length} epochs held it up for ${
          atBarrier.map((gap) => gap.toFixed(1)).join(" ")
        } ms`,
    );
  }
}

async function resume(): Promise<void> {
  const path = `${folder}/resume.db`;
  await runCount(["all", `${KEYS}`, `${KEYS}`], 10, path);
  const firsts = new Map<string, number[]>([["no state", []], ["resumed", []]]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, seconds] of [["no state", null], ["resumed", 10]] as const) {
      const started = Date.now();
      const { facts } = await runCount(["all", `${KEYS}`, "1000"], seconds, path);
      firsts.get(name)!.push(facts.first - started);
    }
  }
  console.log(`\nFrom start to the first item out, ${KEYS.toLocaleString("en")} keys`);
  for (const [name, all] of firsts) console.log(`  ${name.padEnd(14)}${ms(all)}`);
}

try {
  if (parts.includes("cost")) await cost();
  if (parts.includes("pause")) await pause();
  if (parts.includes("resume")) await resume();
} finally {
  await Deno.remove(folder, { recursive: true });
}
