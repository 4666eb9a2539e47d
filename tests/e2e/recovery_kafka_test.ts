/**
 * Kafka to Kafka with recovery, on a real broker. Nothing is skipped, whatever process is killed.
 */
import { assert, assertEquals } from "@std/assert";
import { decodeValue } from "../../src/core/value_codec.ts";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import {
  createTopic,
  kafkaBrokers,
  type NewRecord,
  produce,
  readAll,
} from "../support/kafka/kafka.ts";
import { Random } from "../support/values/random.ts";

const SEED = Number(Deno.env.get("RECOVERY_SEED") ?? Math.floor(Math.random() * 1_000_000));
const KILLS = 8;
const COUNT = 20_000;
const PARTITIONS = 4;
const KEYS = 200;

const keyOf = (i: number) => `key ${i * 7919 % KEYS}`;

function records(from: number, to: number): NewRecord[] {
  return Array.from(
    { length: to - from },
    (_, i) => ({ key: keyOf(from + i), value: `${from + i}`, partition: (from + i) % PARTITIONS }),
  );
}

/** How many records of each key there are among the first `records`. */
function countsOf(records: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < records; i++) counts[keyOf(i)] = (counts[keyOf(i)] ?? 0) + 1;
  return counts;
}

async function storedCounts(path: string): Promise<Record<string, number>> {
  using store = await SqliteInspector.open(path);
  const keys = store.keys("count", KEYS + 1);
  return Object.fromEntries(keys.map(({ key, state }) => [key, decodeValue(state) as number]));
}

async function storedEpoch(path: string): Promise<number> {
  using store = await SqliteInspector.open(path).catch(() => null);
  return store?.epoch ?? -1;
}

/** The counts of each key, in the order of writing. */
async function writtenCounts(brokers: string[], topic: string): Promise<Map<string, number[]>> {
  const byKey = Map.groupBy(await readAll(brokers, topic), ({ key }) => key!);
  return new Map([...byKey].map(([key, all]) => [key, all.map(({ value }) => Number(value))]));
}

Deno.test(`Kafka to Kafka, a process killed ${KILLS} times at random: RECOVERY_SEED=${SEED}`, async () => {
  const brokers = await kafkaBrokers();
  const from = await createTopic(brokers, { partitions: PARTITIONS });
  const to = await createTopic(brokers, { partitions: 3 });
  await using folder = await folderOf({});
  const store = `${folder.path}/state.db`;
  const args = [
    flowFile("kafka_counts.ts"),
    "-w2",
    `--recovery=${store}`,
    "--epoch-interval=50ms",
    "--",
    ...[brokers[0], from, to],
  ];
  const random = new Random(SEED);
  const slice = COUNT / (KILLS + 2);
  let written = slice;
  await produce(brokers, from, records(0, written));
  const snapshots: Record<string, number>[] = []; // the last one before each kill
  let committed = 0; // killed runs in which epochs were committed
  for (let kill = 0; kill < KILLS; kill++) {
    const before = await storedEpoch(store);
    await using cli = startCli([args[0], "--log-level=info", ...args.slice(1)]);
    await cli.stderr.line(/flow running/);
    // Records arrive while it runs, in small pieces.
    const producing = (async () => {
      const piece = slice / 10;
      for (let i = 0; i < 10; i++) {
        await produce(brokers, from, records(written + i * piece, written + (i + 1) * piece));
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, random.below(1_500)));
    const victim = kill === 0 ? cli.pid : random.pick(cli.processes());
    Deno.kill(victim, "SIGKILL");
    const { code, stderr } = await cli.finished();
    await producing;
    written += slice;
    if (victim === cli.pid) assertEquals(code, 137);
    else {
      assertEquals(code, 1);
      assert(/worker \d ended by SIGKILL/.test(stderr), stderr);
    }
    if (await storedEpoch(store) > before) committed++;
    snapshots.push(await storedCounts(store));
  }
  await produce(brokers, from, records(written, COUNT));
  const { code, stderr } = await runCli([...args, "once"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });

  const expected = countsOf(COUNT);
  assertEquals(await storedCounts(store), expected);
  const counts = await writtenCounts(brokers, to);
  assertEquals(counts.size, KEYS);
  for (const [key, all] of counts) {
    const told = `${key}, RECOVERY_SEED=${SEED}: ${all}`;
    assertEquals(
      new Set(all),
      new Set(Array.from({ length: expected[key] }, (_, i) => i + 1)),
      told,
    );
    // What is written again begins right after the snapshot before a kill, and continues from
    // there.
    const resumed = snapshots.map((snapshot) => snapshot[key] ?? 0);
    let last = 0;
    for (const count of all) {
      if (count !== last + 1) {
        assert(count <= last, told);
        const kill = resumed.indexOf(count - 1);
        assert(kill >= 0, told);
        resumed.splice(0, kill + 1);
      }
      last = count;
    }
    assertEquals(last, expected[key], told);
  }
  assert(committed >= KILLS / 4, `only ${committed} killed runs had committed epochs`);
});

Deno.test("each run reads what is new in Kafka, and nothing twice: 1, 2 and 3 workers", async () => {
  const brokers = await kafkaBrokers();
  const from = await createTopic(brokers, { partitions: PARTITIONS });
  const to = await createTopic(brokers, { partitions: 3 });
  await using folder = await folderOf({});
  const store = `${folder.path}/state.db`;
  let written = 0;
  // The third run finds nothing new.
  for (const [workers, more] of [[1, 3_000], [2, 1_500], [1, 0], [3, 1_000], [1, 7]]) {
    await produce(brokers, from, records(written, written + more));
    written += more;
    const { code, stderr } = await runCli([
      flowFile("kafka_counts.ts"),
      `-w${workers}`,
      `--recovery=${store}`,
      "--",
      ...[brokers[0], from, to, "once"],
    ]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const expected = countsOf(written);
    assertEquals(await storedCounts(store), expected);
    // Once each, and in order.
    const once = Object.entries(expected)
      .map(([key, count]) => [key, Array.from({ length: count }, (_, i) => i + 1)] as const);
    assertEquals(await writtenCounts(brokers, to), new Map(once));
  }
});
