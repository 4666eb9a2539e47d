/**
 * Runs groups of real nodes under faults by chance, with many seeds, in both protocols:
 * `deno task test:group`. A seed that fails does not end it: a table at the end has them all, each
 * with the command that repeats it.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { UsageError } from "../../src/core/errors.ts";
import { FIGURES, Figures } from "../support/group_nodes/figures.ts";
import { PROTOCOLS } from "../support/group_nodes/scene.ts";
import { groupKafka } from "../support/kafka/group_kafka.ts";
import { Random } from "../support/values/random.ts";
import { FULL, namedRows, type Row, rowsOf, SHORT } from "./group_rows.ts";
import { soak } from "./group_soak.ts";

const HELP = `Groups of real nodes under faults by chance, on a broker of their own.

Usage: deno task test:group [OPTIONS]

--seeds N       how many seeds each row has in each protocol (10)
--seed N        the first of them (any)
--only ROWS     such as T4,T10a; a number alone names all of its rows (all)
--protocol P    streams or classic (both)
--jobs N        how many run at once (2)
--full          faults that last as long as those of machines: hours
--logs FOLDER   where the logs of what failed are written (a new folder)
--soak TIME     instead of the rows: all faults by chance for a time, such as 30m, 2h`;

type Protocol = typeof PROTOCOLS[number];

/** What a campaign runs. */
interface Plan {
  readonly rows: readonly Row[];
  readonly protocols: readonly Protocol[];
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly isFull: boolean;
  readonly logs: string;
}

/** One row in one protocol with one seed. */
interface Run {
  readonly row: Row;
  readonly protocol: Protocol;
  readonly seed: number;
}

/** How the seeds of a row in a protocol went. */
class Outcome {
  readonly passed: number[] = [];
  readonly failed: number[] = [];
  readonly figures: Figures = new Figures();
}

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await runAsked(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`error: ${error.message}`);
    return 2;
  }
}

async function runAsked(args: readonly string[]): Promise<number> {
  const given = parseArgs([...args], {
    string: ["seeds", "seed", "only", "protocol", "jobs", "logs", "soak"],
    boolean: ["full", "help"],
    unknown: (name: string) => {
      console.error(`"${name}" is unknown\n\n${HELP}`);
      Deno.exit(2);
    },
  });
  if (given.help) {
    console.log(HELP);
    return 0;
  }
  const seed = countOf("seed", given.seed) ?? Math.floor(Math.random() * 1_000_000);
  const protocols = PROTOCOLS.filter((name) => (given.protocol ?? name) === name);
  if (protocols.length === 0) throw new UsageError(`--protocol is ${PROTOCOLS.join(" or ")}`);
  const logs = given.logs ?? await Deno.makeTempDir({ prefix: "millrace-campaign-" });
  await Deno.mkdir(logs, { recursive: true });
  if (given.soak !== undefined) {
    for (const protocol of protocols) {
      const told =
        `deno task test:group --soak ${given.soak} --protocol ${protocol} --seed ${seed}`;
      console.log(told);
      await soak({ protocol, told }, new Random(seed), millisecondsOf(given.soak));
    }
    return 0;
  }
  return await campaign({
    rows: namedRows(rowsOf(given.full ? FULL : SHORT), given.only?.split(",") ?? []),
    protocols,
    seeds: Array.from({ length: countOf("seeds", given.seeds) ?? 10 }, (_, n) => seed + n),
    jobs: countOf("jobs", given.jobs) ?? 2,
    isFull: given.full,
    logs,
  }, await groupKafka());
}

/** Runs all of it. Returns the exit code. */
async function campaign(plan: Plan, brokers: string[]): Promise<number> {
  const { rows, protocols, seeds, jobs, logs } = plan;
  // Seeds are outermost, so that a campaign that is ended early has some of each row.
  const runs = seeds.flatMap((seed) =>
    rows.flatMap((row) =>
      protocols.filter((protocol) => protocol === (row.protocol ?? protocol))
        .map((protocol): Run => ({ row, protocol, seed }))
    )
  );
  const outcomes = new Map<string, Outcome>();
  for (const row of rows) {
    for (const protocol of protocols) outcomes.set(`${row.id} ${protocol}`, new Outcome());
  }
  console.log(`${runs.length} runs, seeds ${seeds[0]} to ${seeds.at(-1)}, logs in ${logs}`);
  // A promise that nobody waits for must not end the campaign, and must not be overlooked either.
  let stray: unknown = null;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    stray ??= event.reason;
  });
  const beganMs = performance.now();
  const left = runs.values();
  const work = async () => {
    for (const run of left) {
      const { row, protocol, seed } = run;
      const outcome = outcomes.get(`${row.id} ${protocol}`)!;
      const figures = new Figures();
      const fromMs = performance.now();
      const error = await row.play(
        { brokers, protocol, told: repeatOf(run, plan), figures },
        new Random(seed),
      ).then(() => stray, (thrown) => thrown ?? new Error("it failed with nothing"));
      stray = null;
      const tookS = Math.round((performance.now() - fromMs) / 1_000);
      const name = `${row.id} ${protocol} ${seed}: ${row.what}`;
      if (error === null) {
        outcome.passed.push(seed);
        outcome.figures.addAll(figures);
        console.log(`ok      ${name} (${tookS} s)`);
      } else {
        outcome.failed.push(seed);
        const file = `${logs}/${row.id}-${protocol}-${seed}.log`;
        await Deno.writeTextFile(file, Deno.inspect(error, { strAbbreviateSize: Infinity }));
        console.log(`FAILED  ${name} (${tookS} s): ${firstLineOf(error)}\n        ${file}`);
      }
      await Deno.writeTextFile(`${logs}/table.md`, tableOf(plan, outcomes));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const minutes = ((performance.now() - beganMs) / 60_000).toFixed(0);
  console.log(`\n${tableOf(plan, outcomes)}\n${runs.length} runs in ${minutes} minutes`);
  return [...outcomes.values()].some(({ failed }) => failed.length > 0) ? 1 : 0;
}

/** The command that repeats a run. */
function repeatOf({ row, protocol, seed }: Run, { isFull }: Plan): string {
  return `deno task test:group --only ${row.id} --protocol ${protocol} --seeds 1 --seed ${seed}` +
    (isFull ? " --full" : "");
}

/** The results as Markdown. */
function tableOf(plan: Plan, outcomes: ReadonlyMap<string, Outcome>): string {
  const heads = ["row", "fault", "protocol", "seeds passed", ...FIGURES.map(headOf)];
  const lines = [heads, heads.map(() => "---")];
  const repeats: string[] = [];
  for (const row of plan.rows) {
    for (const protocol of plan.protocols) {
      const { passed, failed, figures } = outcomes.get(`${row.id} ${protocol}`)!;
      const seeds = passed.length + failed.length;
      if (seeds === 0) continue;
      const measured = FIGURES.map((figure) => {
        const [median, most] = [0.5, figure.endsWith("keys, ms") ? 0.99 : 1].map((share) =>
          figures.quantile(figure, share)
        );
        return median === null ? "" : `${Math.round(median)}, ${Math.round(most!)}`;
      });
      lines.push([row.id, row.what, protocol, `${passed.length} of ${seeds}`, ...measured]);
      repeats.push(...failed.map((seed) => `- ${repeatOf({ row, protocol, seed }, plan)}`));
    }
  }
  const table = lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  return repeats.length === 0 ? table : `${table}\nFailed:\n\n${repeats.join("\n")}\n`;
}

/** What a column has: the median, then the p99 of keys, or the most of all faults. */
function headOf(figure: typeof FIGURES[number]): string {
  return figure.endsWith("keys, ms") ? `${figure}: p50, p99` : `${figure}: p50, most`;
}

function firstLineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trimStart().split("\n")[0];
}

function countOf(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${option} is a whole number, not "${text}"`);
  return Number(text);
}

function millisecondsOf(time: string): number {
  const [, count, unit] = /^(\d+)([smh])$/.exec(time) ?? [];
  if (count === undefined) throw new UsageError(`"${time}" is no time such as 90s, 30m or 2h`);
  return Number(count) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"];
}
