/**
 * Exactly once from Kafka to Kafka, on a real broker. Readers of committed records get each record
 * once and in order, whatever process is killed.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import {
  countWritten,
  createTopic,
  kafkaBrokers,
  type NewRecord,
  produce,
  readAll,
} from "../support/kafka/kafka.ts";
import { openTransactions, untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import { Random } from "../support/values/random.ts";

const SEED = Number(Deno.env.get("EXACTLY_ONCE_SEED") ?? Math.floor(Math.random() * 1_000_000));
const PARTITIONS = 4;
const KEYS = 40;

const keyOf = (n: number) => `key ${n * 7919 % KEYS}`;

/** Records whose keys each have a partition. */
function records(from: number, to: number): NewRecord[] {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return { key: keyOf(n), value: `${n}`, partition: n * 7919 % PARTITIONS };
  });
}

/** What the flow writes for the first records: by key, in order. */
function expectedOf(count: number): Map<string, string[]> {
  const expected = new Map<string, string[]>();
  for (let n = 0; n < count; n++) {
    const values = expected.get(keyOf(n)) ?? [];
    expected.set(keyOf(n), [...values, `${values.length + 1} ${n}`]);
  }
  return expected;
}

/** The values of each key that readers of committed records get, in order. */
async function visible(brokers: string[], topic: string): Promise<Map<string, string[]>> {
  const byKey = Map.groupBy(await readAll(brokers, topic), ({ key }) => key!);
  return new Map([...byKey].map(([key, all]) => [key, all.map(({ value }) => value!)]));
}

/** Compares by key, so that a failure shows one key. */
function assertVisible(got: Map<string, string[]>, count: number, told: string): void {
  const expected = expectedOf(count);
  assertEquals([...got.keys()].sort(), [...expected.keys()].sort(), told);
  for (const [key, values] of expected) assertEquals(got.get(key), values, `${key}, ${told}`);
}

/** Waits until a topic has this many records, committed or not. */
async function untilWritten(brokers: string[], topic: string, count: number): Promise<void> {
  for (const deadline = performance.now() + 15_000; await countWritten(brokers, topic) < count;) {
    if (performance.now() > deadline) throw new Error(`${topic} did not get ${count} records`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Two topics, and how to run the flow from one to the other. */
async function setUp(folder: string, delivery: string) {
  const brokers = await kafkaBrokers();
  const from = await createTopic(brokers, { partitions: PARTITIONS });
  const to = await createTopic(brokers, { partitions: 3 });
  const args = (workers: number, interval: string, recovery = `${folder}/state.db`) => [
    flowFile("kafka_exactly_once.ts"),
    `-w${workers}`,
    `--recovery=${recovery}`,
    `--epoch-interval=${interval}`,
    "--log-level=info",
    "--",
    ...[brokers[0], from, to, delivery],
  ];
  return { brokers, from, to, args };
}

for (const delivery of ["exactly-once", "at-least-once"]) {
  const times = delivery === "exactly-once" ? "once" : "twice";
  Deno.test(`${delivery}: what was written after the last epoch is visible ${times} after kill -9`, async () => {
    await using folder = await folderOf({});
    const { brokers, from, to, args } = await setUp(folder.path, delivery);
    await produce(brokers, from, records(0, 200));
    {
      await using cli = startCli(args(1, "1m"));
      await cli.stderr.line(/flow running/);
      await untilWritten(brokers, to, 200);
      Deno.kill(cli.pid, "SIGKILL");
      await cli.finished();
    }
    const isOpen = delivery === "exactly-once";
    assertEquals((await openTransactions(brokers, to)).length, isOpen ? 1 : 0);
    const { code, stderr } = await runCli([...args(1, "1m"), "once"]);
    assertEquals(code, 0, stderr);
    const got = await visible(brokers, to);
    await untilNoneIsOpen(brokers, to);
    if (delivery === "exactly-once") assertVisible(got, 200, stderr);
    else {
      assertNotEquals(got, expectedOf(200));
      assertEquals([...got.values()].flat().length, 400);
    }
  });
}

interface Chaos {
  /** How many workers each run has, in turn. */
  readonly workers: readonly number[];
  readonly store: "SQLite" | "Kafka";
  readonly kills: number;
}

for (
  const { workers, store, kills } of [
    { workers: [1], store: "SQLite", kills: 4 },
    { workers: [2, 3, 1], store: "SQLite", kills: 6 },
    { workers: [2], store: "Kafka", kills: 1 },
  ] satisfies Chaos[]
) {
  Deno.test(`exactly once with ${workers.join(", ")} workers and a store on ${store}, killed ${kills} times: EXACTLY_ONCE_SEED=${SEED}`, async () => {
    await using folder = await folderOf({});
    const { brokers, from, to, args } = await setUp(folder.path, "exactly-once");
    const prefix = `store-${crypto.randomUUID()}`;
    const recovery = store === "Kafka" ? `kafka://${brokers[0]}/${prefix}` : undefined;
    const random = new Random(SEED);
    const SLICE = 2_000;
    let written = 0;
    for (let kill = 0; kill < kills; kill++) {
      await using cli = startCli(args(workers[kill % workers.length], "20ms", recovery), {
        deadlineMs: 60_000,
      });
      // A store on Kafka keeps its lock for 10 s after a kill.
      if (kill % 2 === 0 || store === "Kafka") await cli.stderr.line(/flow running/);
      const producing = (async () => {
        for (let piece = 0; piece < 10; piece++, written += SLICE / 10) {
          await produce(brokers, from, records(written, written + SLICE / 10));
        }
      })();
      await new Promise((resolve) => setTimeout(resolve, random.below(1_500)));
      await cli.killOne((pids) => kill % 3 === 0 ? cli.pid : random.pick(pids));
      await cli.finished();
      await producing;
    }
    const { code, stderr } = await runCli([...args(workers[0], "20ms", recovery), "once"], {
      deadlineMs: 60_000,
    });
    assertEquals(code, 0, stderr);
    await untilNoneIsOpen(brokers, to);
    assertVisible(await visible(brokers, to), written, `EXACTLY_ONCE_SEED=${SEED}`);
  });
}

Deno.test("a run that was paused while another one took over writes nothing more", async () => {
  await using folder = await folderOf({});
  const { brokers, from, to, args } = await setUp(folder.path, "exactly-once");
  // Not a file, which the paused run would keep locked.
  const store = `kafka://${brokers[0]}/store-${crypto.randomUUID()}`;
  await produce(brokers, from, records(0, 500));
  await using paused = startCli(args(2, "20ms", store), { deadlineMs: 60_000 });
  await paused.stderr.line(/flow running/);
  await untilWritten(brokers, to, 400);
  for (const pid of paused.processes()) Deno.kill(pid, "SIGSTOP");
  await produce(brokers, from, records(500, 800));
  const second = await runCli([...args(2, "20ms", store), "once"], { deadlineMs: 60_000 });
  assertEquals(second.code, 0, second.stderr);
  await produce(brokers, from, records(800, 1_000));
  for (const pid of paused.processes()) Deno.kill(pid, "SIGCONT");
  const { code, stderr } = await paused.finished();
  assertEquals(code, 1, stderr);
  assert(/taken over|taken it over/.test(stderr), stderr);
  const third = await runCli([...args(2, "20ms", store), "once"], { deadlineMs: 60_000 });
  assertEquals(third.code, 0, third.stderr);
  await untilNoneIsOpen(brokers, to);
  assertVisible(await visible(brokers, to), 1_000, stderr);
});
