/** Kills processes of an exactly-once flow at random instants, and starts it again. */
import { assert } from "@std/assert";
import { type CliProcess, folderOf, kill, startCli } from "../support/cli.ts";
import { Random } from "../support/values/random.ts";
import { DEADLINE_MS, Pipeline, type RunOptions } from "./exactly_once.ts";
import { pass } from "../support/eventually.ts";

/** What is killed, and how often. */
export interface KillOptions {
  readonly brokers: string[];
  readonly workers: number;
  readonly store: "SQLite" | "Kafka";
  readonly seed: number;
  readonly kills: number;
  readonly delivery?: RunOptions["delivery"];
}

/** What has happened. */
export interface Killed {
  /** How many processes were killed, by which. */
  readonly workers: number;
  readonly coordinators: number;
  readonly together: number;
  /** How many kills came after the run had begun to read. */
  readonly whileRunning: number;
  /** How many results readers have got. */
  readonly results: number;
}

const RUNNING = /flow running/g;

/**
 * Runs the flow while its input is written to, kills it again and again, and runs it to the end.
 *
 * @throws {Error} If readers of committed records get anything not exactly once.
 */
export async function killAtRandom(options: KillOptions): Promise<Killed> {
  const { brokers, workers, store, seed, kills, delivery } = options;
  const random = new Random(seed);
  await using folder = await folderOf({});
  await using pipeline = await Pipeline.create(brokers);
  const run: RunOptions = {
    workers,
    store: store === "SQLite"
      ? `${folder.path}/state.db`
      : `kafka://${brokers[0]}/store-${pipeline.from}`,
    epochMs: random.pick([10, 50, 200]),
    restarts: random.pick([0, 1_000_000]),
    ...delivery === undefined ? {} : { delivery },
  };
  const told = JSON.stringify({ ...options, epochMs: run.epochMs, restarts: run.restarts });
  const killed = { workers: 0, coordinators: 0, together: 0, whileRunning: 0 };
  pipeline.feed();
  for (let done = 0; done < kills;) {
    await using cli = startCli(pipeline.args(run), { deadlineMs: 600_000 });
    let isOver = false;
    // It also ends if a worker is killed before it has loaded the flow.
    cli.stderr.ended.then(() => isOver = true);
    while (!isOver && done < kills) {
      const runs = countOf(cli);
      // Every other time, while it starts: that is when it heals.
      if (done % 2 === 0) await untilRunning(cli, runs + 1, () => isOver);
      await pass(random.below(700));
      if (isOver) break;
      if (countOf(cli) > runs) killed.whileRunning++;
      if (killSome(cli, random, store, killed)) await cli.stderr.ended;
      done++;
    }
    for (const pid of cli.processes()) kill(pid);
  }
  const results = await pipeline.finish(run, told);
  assert(killed.whileRunning >= kills / 4, `only ${killed.whileRunning} ran: ${told}`);
  return { ...killed, results };
}

/** Kills a worker, the coordinator or all. Returns whether that ends the command. */
function killSome(
  cli: CliProcess,
  random: Random,
  store: KillOptions["store"],
  killed: { workers: number; coordinators: number; together: number },
): boolean {
  const pids = cli.processes();
  const workers = pids.filter((pid) => pid !== cli.pid);
  // A store on Kafka keeps its lock for 10 s after its coordinator is killed.
  const spared = store === "Kafka" ? 9 : 3;
  if (workers.length > 0 && random.below(spared + 1) > 0) {
    kill(random.pick(workers));
    killed.workers++;
    return false;
  }
  if (random.below(2) === 0) {
    kill(cli.pid);
    killed.coordinators++;
  } else {
    for (const pid of pids) kill(pid);
    killed.together++;
  }
  return true;
}

/** How many times it has begun to read, restarts included. */
function countOf(cli: CliProcess): number {
  return [...cli.stderr.text.matchAll(RUNNING)].length;
}

async function untilRunning(
  cli: CliProcess,
  count: number,
  isOver: () => boolean,
): Promise<void> {
  for (const deadline = performance.now() + DEADLINE_MS; countOf(cli) < count && !isOver();) {
    if (performance.now() > deadline) throw new Error(`it does not run:\n${cli.stderr.text}`);
    await pass(5);
  }
}
