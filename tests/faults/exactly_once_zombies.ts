/** Processes of a killed run that still write, and runs that share what they must not share. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type CliProcess, folderOf, kill, startCli } from "../support/cli.ts";
import { ownerOf } from "../support/socket_owner.ts";
import { openTransactions } from "../support/kafka/open_transactions.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";
import { DEADLINE_MS, inTime, Pipeline, type RunOptions, until } from "./exactly_once.ts";
import { pass } from "../support/eventually.ts";

/** A flow whose outputs write through a proxy. */
interface Watched extends AsyncDisposable {
  readonly proxy: TcpProxy;
  readonly pipeline: Pipeline;
  readonly run: RunOptions;
  readonly folder: string;
}

async function watched(brokers: string[], more: Partial<RunOptions> = {}): Promise<Watched> {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(new TcpProxy(brokers[0]));
  const { path } = stack.use(await folderOf({}));
  const pipeline = stack.use(await Pipeline.create(brokers));
  const store = `${path}/state.db`;
  const run = { workers: 1, store, outputBrokers: [proxy.address], ...more };
  const kept = stack.move();
  const dispose = () => kept.disposeAsync();
  return { proxy, pipeline, run, folder: path, [Symbol.asyncDispose]: dispose };
}

/** Starts a run, and waits until it has committed some transactions. */
async function underWay({ proxy, pipeline, run }: Watched): Promise<CliProcess> {
  const cli = startCli(pipeline.args(run), { deadlineMs: 4 * DEADLINE_MS });
  const after = proxy.requests("endTxn") + 6;
  await until(() => proxy.requests("endTxn") >= after, "it had committed some epochs");
  return cli;
}

/** Kills all processes of a run, and waits until they have gone. */
async function killAll(cli: CliProcess): Promise<void> {
  for (const pid of cli.processes()) kill(pid);
  await cli[Symbol.asyncDispose]();
}

/**
 * A request of a killed run arrives when the next run has come to its end.
 *
 * @throws {Error} If anything is seen of it, or stays open.
 */
export async function arriveLate(
  brokers: string[],
  api: "produce" | "addPartitionsToTxn" | "endTxn",
): Promise<void> {
  await using flow = await watched(brokers);
  const { pipeline, proxy, run } = flow;
  pipeline.feed();
  const cli = await underWay(flow);
  const held = await inTime(proxy.hold(api, "request"), `${api} had come`);
  await killAll(cli);
  const direct = { ...run, outputBrokers: brokers };
  const results = await pipeline.finish(direct, `before a late ${api} arrives`);
  held.release();
  const answer = await inTime(held.answered, `a late ${api} was answered`);
  if (api === "produce") assertNotEquals(produceError(answer), 0);
  assertEquals(await pipeline.assertExactlyOnce(`after a late ${api}`), results);
}

/** The first error in an answer to Produce, as in `tcp_proxy.ts`. */
function produceError(answer: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(answer.buffer);
  return view.getInt16(12 + 2 + view.getInt16(12) + 4 + 4);
}

/**
 * A killed run acquires its ids late, when the next run writes. Nothing of that may be lost, which
 * would be if it still used these ids.
 */
export async function acquireLate(brokers: string[]): Promise<void> {
  await using flow = await watched(brokers);
  const { pipeline, proxy, run } = flow;
  pipeline.feed();
  await killAll(await underWay(flow));
  const dead = startCli(pipeline.args(run), { deadlineMs: DEADLINE_MS });
  const held = await inTime(proxy.hold("initProducerId", "request"), "it acquires ids");
  await killAll(dead);
  const cli = await underWay(flow);
  // All its transactional ids are in use in turn, so the time does not matter.
  held.release();
  await inTime(held.answered, "the late request was answered");
  const after = proxy.requests("endTxn") + 20;
  await until(() => proxy.requests("endTxn") >= after, "it had gone on");
  assertEquals(cli.stderr.text.match(/error/g), null, cli.stderr.text);
  await killAll(cli);
  await pipeline.finish(run, "after a late request for ids");
}

/** A worker is stopped, and wakes up when the next run has come to its end. */
export async function wakeUp(brokers: string[]): Promise<void> {
  await using flow = await watched(brokers, { workers: 2 });
  const { pipeline, proxy, run } = flow;
  pipeline.feed();
  const cli = await underWay(flow);
  // With a transaction that has begun, and a request that it believes to be under way.
  const held = await inTime(proxy.hold("produce", "answer"), "records were written");
  const zombie = ownerOf(held.clientPort, cli.processes());
  Deno.kill(zombie, "SIGSTOP");
  for (const pid of cli.processes()) if (pid !== zombie) kill(pid);
  held.release();
  const results = await pipeline.finish({ ...run, outputBrokers: brokers }, "beside a zombie");
  Deno.kill(zombie, "SIGCONT");
  await inTime(cli.stderr.ended, "the zombie had ended");
  await cli[Symbol.asyncDispose]();
  assertEquals(await pipeline.assertExactlyOnce("after a zombie"), results);
}

/** A run is started twice at once: the second one is refused, and does not disturb the first. */
export async function startTwice(brokers: string[], store: "SQLite" | "Kafka"): Promise<void> {
  await using flow = await watched(brokers);
  const onKafka = { ...flow.run, store: `kafka://${brokers[0]}/store-${flow.pipeline.from}` };
  const run = store === "Kafka" ? onKafka : flow.run;
  const { pipeline } = flow;
  pipeline.feed();
  await using first = await underWay({ ...flow, run });
  await using second = startCli(pipeline.args(run), { deadlineMs: DEADLINE_MS });
  const { code, stderr } = await second.finished();
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /in use by|another run/);
  first.kill("SIGTERM");
  assertEquals((await first.finished()).code, 0);
  await pipeline.finish(run, "after a second run was refused");
}

/**
 * All of a run is stopped until it has lost its store on Kafka. It wakes up when the next one has
 * come to its end.
 */
export async function wakeRun(brokers: string[]): Promise<void> {
  await using flow = await watched(brokers);
  const run = { ...flow.run, store: `kafka://${brokers[0]}/store-${flow.pipeline.from}` };
  const { pipeline } = flow;
  pipeline.feed();
  await using cli = await underWay({ ...flow, run });
  const stopped = cli.processes();
  for (const pid of stopped) Deno.kill(pid, "SIGSTOP");
  const results = await pipeline.finish({ ...run, outputBrokers: brokers }, "beside a stopped run");
  for (const pid of stopped) Deno.kill(pid, "SIGCONT");
  assertEquals((await cli.finished()).code, 1, cli.stderr.text);
  assertEquals(await pipeline.assertExactlyOnce("after a stopped run"), results);
}

/** A worker is stopped for longer than the timeout of its transaction. The run goes on after it. */
export async function stopForLong(brokers: string[]): Promise<void> {
  const outputProperties = { "transaction.timeout.ms": 61_000 };
  await using flow = await watched(brokers, { workers: 2, restarts: 5, outputProperties });
  const { pipeline, proxy, run } = flow;
  pipeline.feed();
  const cli = await underWay(flow);
  const held = await inTime(proxy.hold("produce", "answer"), "records were written");
  const zombie = ownerOf(held.clientPort, cli.processes());
  Deno.kill(zombie, "SIGSTOP");
  const stoppedAt = Date.now();
  held.release();
  await pass(75_000);
  // The run may have been started again meanwhile.
  const open = await openTransactions(brokers, pipeline.idPrefix);
  assertEquals(open.filter(({ startedAt }) => startedAt < stoppedAt), []);
  if (cli.processes().includes(zombie)) Deno.kill(zombie, "SIGCONT");
  await until(
    () => cli.stderr.text.split("flow running").length >= 3,
    () => `it ran again\n${cli.stderr.text}`,
  );
  await killAll(cli);
  await pipeline.finish(run, "after a worker was stopped for long");
}

/** The commit of a stored epoch comes too late: the next run is refused, and names the cure. */
export async function loseEpoch(brokers: string[]): Promise<void> {
  const outputProperties = { "transaction.timeout.ms": 61_000 };
  await using flow = await watched(brokers, { outputProperties });
  const { pipeline, proxy, run } = flow;
  pipeline.feed();
  const cli = await underWay(flow);
  const held = await inTime(proxy.hold("endTxn", "request"), "an epoch was in the store");
  await killAll(cli);
  held.drop();
  await pass(75_000);
  await using refused = startCli(pipeline.args(run), { deadlineMs: DEADLINE_MS });
  const { code, stderr } = await refused.finished();
  assertEquals(code, 1);
  const [, epoch] = /give the output acceptLostEpoch: (\d+)/.exec(stderr) ?? [];
  assert(epoch !== undefined, stderr);
  await pipeline.rest();
  await using last = startCli(
    pipeline.args({ ...run, once: true, acceptLostEpoch: Number(epoch) }),
    { deadlineMs: DEADLINE_MS },
  );
  const result = await last.finished();
  assertEquals(result.code, 0, result.stderr);
  assertMatch(result.stderr, new RegExp(`the output of epoch ${epoch} .*continuing without it`));
  assertEquals(await openTransactions(brokers, pipeline.idPrefix), []);
}
