/** Windows over a topic that is read long after it was written, when something fails meanwhile. */
import { assert, assertEquals } from "@std/assert";
import { run, TestingOutputConfig } from "millrace";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { backlogOf, minutesOf, toWrite } from "../support/kafka/backlog.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import { recordingLog } from "../support/recording_log.ts";
import { countMinutes } from "./flows/kafka_backlog.ts";

const RECORDS = 20_000;
const records = backlogOf([1, 1, 1, 1].map(() => RECORDS / 4), RECORDS * 50);
const expected = minutesOf(records);

Deno.test("windows over a topic are exact though its broker restarts while it is read", async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  const { brokers } = cluster;
  const topic = await cluster.createTopic({ partitions: 4 });
  await produce(brokers, topic, toWrite(records));
  const { log, warnings } = recordingLog();
  let seen = 0;
  let restarted: Promise<void> | null = null;
  async function restart(): Promise<void> {
    await cluster.kill(0);
    await cluster.start(0);
  }
  const lines: string[] = [];
  const flow = countMinutes(brokers, {
    inputs: [[topic]],
    // So that most of the topic is fetched after the restart.
    properties: { "fetch.max.bytes": 16_384, "queued.max.messages.kbytes": 64 },
    pause: async () => {
      if (++seen === RECORDS / 4) restarted = restart();
      await restarted;
    },
  });
  await run(flow.capture(new TestingOutputConfig(lines)), { log });
  assert(warnings.includes("waiting for broker"), `only warned of ${warnings}`);
  assertEquals(lines.filter((line) => line.startsWith("late")).length, 0);
  assertEquals(lines.sort(), expected);
});

Deno.test("windows over a topic are exact though workers are killed, and their number changes", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 4 });
  await produce(brokers, topic, toWrite(records));
  await using folder = await folderOf({});
  const store = `${folder.path}/state.db`;
  const argsFor = (workers: number) => [
    flowFile("kafka_backlog.ts"),
    `-w${workers}`,
    `--recovery=${store}`,
    "--epoch-interval=20ms",
    "--",
    ...[brokers[0], topic, "slow"],
  ];
  const lines = new Set<string>(); // those of the last epoch are printed again
  const take = (stdout: string) => {
    for (const line of stdout.split("\n").slice(0, -1)) lines.add(line);
  };
  const minutes = [...new Set(expected.map((line) => line.split(" ")[1]))];
  for (const [workers, share] of [[2, 0.2], [3, 0.5]]) {
    const before = await storedEpoch(store);
    await using cli = startCli(argsFor(workers));
    await cli.stdout.line(new RegExp(` ${minutes[Math.floor(minutes.length * share)]} `));
    const worker = cli.processes().find((pid) => pid !== cli.pid)!;
    Deno.kill(worker, "SIGKILL");
    const { code, stdout, stderr } = await cli.finished();
    assertEquals(code, 1, stderr);
    take(stdout);
    assert(await storedEpoch(store) > before, `no epoch was committed with ${workers} workers`);
    const windows = [...lines].filter((line) => !line.startsWith("late")).length;
    assert(windows < expected.length, "there was nothing left to resume");
  }
  const { code, stdout, stderr } = await runCli(argsFor(1));
  assertEquals(code, 0, stderr);
  take(stdout);
  assertEquals([...lines].filter((line) => line.startsWith("late")).length, 0);
  assertEquals([...lines].sort(), expected);
});

async function storedEpoch(path: string): Promise<number> {
  using store = await SqliteInspector.open(path).catch(() => null);
  return store?.epoch ?? -1;
}
