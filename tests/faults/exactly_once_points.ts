/**
 * Kills processes of an exactly-once flow at named points: when a request of an output, or its
 * answer, is on its way. A proxy holds it back meanwhile, so the flow's code knows nothing of it.
 */
import { assert } from "@std/assert";
import { type CliProcess, folderOf, kill, startCli } from "../support/cli.ts";
import { ownerOf } from "../support/socket_owner.ts";
import { type API, type Held, TcpProxy } from "../support/kafka/tcp_proxy.ts";
import { openTransactions } from "../support/kafka/open_transactions.ts";
import { DEADLINE_MS, inTime, Pipeline, type RunOptions, until } from "./exactly_once.ts";

/** When a process is killed. */
export interface Point {
  /** Of the outputs, or of a recovery store on Kafka. */
  readonly of: "output" | "store";
  readonly api: keyof typeof API;
  /** On the way to the broker, which then does not get it, or on the way back. */
  readonly side: "request" | "answer";
  /** In the run's start, or once it has committed some epochs. */
  readonly during: "start" | "epoch";
  /** What that means for the flow. */
  readonly what: string;
}

const at = (
  during: Point["during"],
  [of, api, side]: [Point["of"], Point["api"], Point["side"]],
  what: string,
): Point => ({ during, of, api, side, what });

/** After a kill at this one, the store has an epoch whose output is not visible yet. */
export const STORED: Point = at(
  "epoch",
  ["output", "endTxn", "request"],
  "between the store's commit and the output's",
);

/** Points in a run that has committed epochs, and in its start. */
export const POINTS: readonly Point[] = [
  at("start", ["output", "initProducerId", "request"], "before the ids are taken over"),
  at("start", ["output", "initProducerId", "answer"], "while the ids are taken over"),
  at("start", ["output", "addPartitionsToTxn", "request"], "before the first transaction"),
  at("start", ["output", "produce", "request"], "before the first record"),
  at("epoch", ["output", "addPartitionsToTxn", "answer"], "when a transaction has begun"),
  at("epoch", ["output", "produce", "request"], "before records of an epoch arrive"),
  at("epoch", ["output", "produce", "answer"], "when records of an epoch have arrived"),
  STORED,
  at("start", ["output", "endTxn", "request"], "before healing"),
  STORED,
  at("start", ["output", "endTxn", "answer"], "while healing"),
  STORED,
  at("start", ["output", "initProducerId", "answer"], "after healing, while ids are taken over"),
  at("epoch", ["output", "endTxn", "answer"], "while the output's commit is under way"),
  at("start", ["output", "endTxn", "answer"], "while healing what has been committed"),
  at("epoch", ["output", "initProducerId", "request"], "before an id is acquired ahead"),
  at("epoch", ["output", "initProducerId", "answer"], "while an id is acquired ahead"),
];

/** Points in a recovery store on Kafka. */
export const STORE_POINTS: readonly Point[] = [
  at("epoch", ["store", "produce", "request"], "between prepare and the store's commit"),
  at("epoch", ["store", "endTxn", "request"], "before the store's commit"),
  at("epoch", ["store", "endTxn", "answer"], "while the store's commit is under way"),
  at("start", ["store", "endTxn", "request"], "before the store knows that all is healed"),
  STORED,
  at("start", ["store", "endTxn", "answer"], "while the store notes that all is healed"),
];

/** Which process is killed. */
export type Victim = "the worker" | "the coordinator" | "all";

/** All of them, to take turns. */
export const VICTIMS: readonly Victim[] = ["the worker", "the coordinator", "all"];

/** How a flow is killed at points. */
export interface PointOptions {
  readonly brokers: string[];
  readonly workers: number;
  readonly store: "SQLite" | "Kafka";
  readonly points: readonly Point[];
  /** By the number of the kill. */
  readonly victim: (kill: number) => Victim;
  readonly delivery?: RunOptions["delivery"];
}

/**
 * Runs a flow once for each point, kills it there, and at last runs it to the end of its input.
 *
 * @throws {Error} If a point is not reached, or readers get anything not exactly once.
 */
export async function killAtPoints(options: PointOptions): Promise<void> {
  const { brokers, workers, store, points, victim, delivery } = options;
  await using proxy = new TcpProxy(brokers[0]);
  await using storeProxy = new TcpProxy(brokers[0]);
  await using folder = await folderOf({});
  await using pipeline = await Pipeline.create(brokers);
  const run: RunOptions = {
    workers,
    store: store === "SQLite"
      ? `${folder.path}/state.db`
      : `kafka://${storeProxy.address}/store-${pipeline.from}`,
    outputBrokers: [proxy.address],
    ...delivery === undefined ? {} : { delivery },
  };
  pipeline.feed();
  for (const [n, point] of points.entries()) {
    const told = `${workers} workers, ${store}, point ${n}: ${point.what}, kills ${victim(n)}`;
    const through = point.of === "output" ? proxy : storeProxy;
    await using cli = startCli(pipeline.args(run), { deadlineMs: DEADLINE_MS });
    const ended = cli.stderr.ended.then(() => {
      throw new Error(`it ended by itself before ${told}\n${cli.stderr.text}`);
    });
    if (point.during === "epoch") {
      const steady = delivery === "at-least-once" ? "produce" : "endTxn";
      const after = through.requests(steady) + 10;
      await Promise.race([until(() => through.requests(steady) >= after, told), ended]);
    }
    const held = await Promise.race([inTime(through.hold(point.api, point.side), told), ended]);
    ended.catch(() => {}); // from here on, it is meant to end
    if (point === STORED) assert((await openTransactions(brokers, pipeline.idPrefix)).length > 0);
    await killAt(cli, held, point.of === "store" ? "the coordinator" : victim(n));
  }
  const told = JSON.stringify({ workers, store, points: points.map(({ what }) => what) });
  assert(await pipeline.finish(run, told) > 0);
}

/** Kills while a message is held back. Then the message gets lost, as its connection does. */
async function killAt(cli: CliProcess, held: Held, victim: Victim): Promise<void> {
  const pids = cli.processes();
  if (victim === "all") { for (const pid of pids) kill(pid); }
  else kill(victim === "the coordinator" ? cli.pid : ownerOf(held.clientPort, pids));
  // Only now, so that the broker does not get it before.
  await cli.stderr.ended;
  held.drop();
}
