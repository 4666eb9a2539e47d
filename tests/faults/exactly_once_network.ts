/** Brokers and networks fail under an exactly-once flow, which goes on by itself. */
import { assertEquals } from "@std/assert";
import { folderOf, startCli } from "../support/cli.ts";
import type { KafkaCluster } from "../support/kafka/cluster.ts";
import { type API, type Fault, TcpProxy } from "../support/kafka/tcp_proxy.ts";
import type { Random } from "../support/values/random.ts";
import { DEADLINE_MS, inTime, Pipeline, type RunOptions, until } from "./exactly_once.ts";

type Api = keyof typeof API;

/** Requests of transactions. */
export const TRANSACTIONAL: readonly Api[] = [
  "initProducerId",
  "addPartitionsToTxn",
  "produce",
  "endTxn",
];

/** The first requests of each kind that a run has, its answers and halves of them are lost. */
export function firstFaults(): Fault[] {
  return TRANSACTIONAL.flatMap((api) => [
    { api, nth: 2, lose: "response" },
    { api, nth: 7, lose: "request" },
    { api, nth: 12, lose: "half a response" },
  ]);
}

/** Faults at random among the first hundred requests of each kind. */
export function randomFaults(random: Random, count: number): Fault[] {
  const faults = new Map<string, Fault>();
  while (faults.size < count) {
    const api = random.pick(TRANSACTIONAL);
    const nth = 1 + random.below(100);
    const lose = random.pick(["request", "response", "half a response"] as const);
    faults.set(`${api} ${nth}`, { api, nth, lose });
  }
  return [...faults.values()];
}

/** Runs the flow until all faults have happened. It must not fail. */
export async function loseMessages(
  brokers: string[],
  faults: readonly Fault[],
  workers: number,
): Promise<void> {
  await using proxy = new TcpProxy(brokers[0], faults);
  await using folder = await folderOf({});
  await using pipeline = await Pipeline.create(brokers);
  const store = `${folder.path}/state.db`;
  const run: RunOptions = { workers, store, outputBrokers: [proxy.address] };
  const told = JSON.stringify({ workers, faults });
  pipeline.feed();
  await using cli = startCli(pipeline.args(run), { deadlineMs: 2 * DEADLINE_MS });
  await until(() => proxy.fired.length === faults.length, () => {
    const left = faults.filter((fault) => !proxy.fired.includes(fault));
    return `all had happened: ${told}; left: ${JSON.stringify(left)}\n${cli.stderr.text}`;
  });
  cli.kill("SIGTERM");
  const { code, stderr } = await cli.finished();
  assertEquals(code, 0, `${told}\n${stderr}`);
  await pipeline.finish(run, told);
}

/** What Kafka 4.3.1 logs when it leaves a committed transaction open in a partition. */
const FORGOTTEN = "are likely deleted already and hence can be skipped";

/** How often a run is repeated in which Kafka has done that. */
const MOST_FORGOTTEN = 3;

/**
 * Kills the only broker while answers of these kinds are on their way, one after the other. Kafka
 * itself may leave a transaction open then (findings/kafka-marker-without-leader.sh). If it has
 * logged that, what readers get does not depend on us. The run is repeated, on other topics.
 */
export async function killBroker(
  cluster: KafkaCluster,
  apis: readonly Api[],
  workers: number,
): Promise<void> {
  for (let run = 1;; run++) {
    const logs: string[] = [];
    try {
      return await killBrokerOnce(cluster, apis, workers, logs);
    } catch (error) {
      logs.push(cluster.log(0));
      if (run === MOST_FORGOTTEN || !logs.some((log) => log.includes(FORGOTTEN))) throw error;
      console.log("Kafka has left a transaction open: again, on other topics");
    }
  }
}

/** `logs` gets what the broker has logged until each kill. */
async function killBrokerOnce(
  cluster: KafkaCluster,
  apis: readonly Api[],
  workers: number,
  logs: string[],
): Promise<void> {
  await using proxy = new TcpProxy(cluster.brokers[0]);
  await using folder = await folderOf({});
  await using pipeline = await Pipeline.create(cluster.brokers);
  const store = `${folder.path}/state.db`;
  const run: RunOptions = { workers, store, outputBrokers: [proxy.address] };
  pipeline.feed();
  await using cli = startCli(pipeline.args(run), { deadlineMs: 5 * DEADLINE_MS });
  for (const api of apis) {
    const after = proxy.requests("endTxn") + 6;
    await until(() => proxy.requests("endTxn") >= after, `it had gone on before ${api}`);
    const held = await inTime(proxy.hold(api, "answer"), `${api} was answered`);
    logs.push(cluster.log(0));
    await cluster.kill(0);
    held.drop();
    await cluster.start(0);
  }
  const after = proxy.requests("endTxn") + 6;
  await until(() => proxy.requests("endTxn") >= after, "it had gone on at the end");
  cli.kill("SIGTERM");
  const { code, stderr } = await cli.finished();
  assertEquals(code, 0, stderr);
  await pipeline.finish(run, `a broker was killed at ${apis}`);
}
