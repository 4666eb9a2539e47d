/**
 * The state tools on a store on Kafka, and on inputs from Kafka.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import {
  KafkaRecoveryConfig,
  storeTopicsOf,
} from "../../src/connectors/kafka_recovery/kafka_recovery.ts";
import { silentLog } from "../../src/core/log.ts";
import { encodeValue } from "../../src/core/value_codec.ts";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { chunks } from "../support/recovery/state_chunks.ts";
import { put } from "../support/recovery/stores.ts";

const HOUR = 3_600_000;

/** A store's URL on the broker, whose topics are dropped after the test. */
async function newStore() {
  const brokers = await kafkaBrokers();
  const topicPrefix = `tools-${crypto.randomUUID()}`;
  const config = new KafkaRecoveryConfig({ brokers, topicPrefix });
  return {
    brokers,
    config,
    stateTopic: `${topicPrefix}-state`,
    url: `kafka://${brokers[0]}/${topicPrefix}`,
    [Symbol.asyncDispose]: () => config.drop(),
  };
}

/** Runs a state tool that must succeed. */
async function tool(...args: string[]) {
  const { code, stdout, stderr } = await runCli(["state", ...args], { deadlineMs: 40_000 });
  assertEquals(code, 0, stderr);
  return { stdout, stderr };
}

async function counts(url: string, step = "count"): Promise<Record<string, unknown>> {
  const { stdout } = await tool(url, step, "--json");
  const { keys }: { keys: { key: string; value: unknown }[] } = JSON.parse(stdout);
  return Object.fromEntries(keys.map(({ key, value }) => [key, value]));
}

Deno.test("a store on Kafka is shown, changed, exported and imported, but not while a run holds it", async () => {
  await using store = await newStore();
  await using copy = await newStore();
  await using folder = await folderOf({});
  const { brokers, url } = store;
  const from = await createTopic(brokers, { partitions: 2 });
  const to = await createTopic(brokers);
  await produce(brokers, from, ["a", "b", "a"].map((key) => ({ key, value: "x" })));
  const args = [flowFile("kafka_counts.ts"), `--recovery=${url}`];
  {
    await using cli = startCli([
      ...args,
      "--log-level=info",
      "--epoch-interval=100ms",
      "--",
      brokers[0],
      from,
      to,
    ]);
    await cli.stderr.line(/flow running/);
    const refused = await runCli(["state", "drop-step", url, "count"]);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, `recovery store ${url}: a run uses it: `);
    cli.kill("SIGTERM");
    assertEquals((await cli.finished()).code, 0);
  }
  const once = () => runCli([...args, "--", brokers[0], from, to, "once"]);
  assertEquals((await once()).code, 0);
  assertEquals(await counts(url), { a: 2, b: 1 });
  const shown = JSON.parse((await tool(url, "--json")).stdout);
  assertEquals([shown.flow, shown.steps[0].step, shown.steps[0].keys], [
    "kafka-counts",
    "count",
    2,
  ]);

  const { stdout } = await tool("export", url);
  await Deno.writeTextFile(`${folder.path}/export.jsonl`, stdout);
  const imported = await tool("import", copy.url, `${folder.path}/export.jsonl`);
  assertMatch(imported.stderr, /: 2 keys, 2 positions\n$/);
  assertEquals((await tool("export", copy.url)).stdout, stdout);

  await tool("rename-step", copy.url, "count", "tally");
  assertEquals(await counts(copy.url, "tally"), { a: 2, b: 1 });
  await tool("drop-step", copy.url, "tally");
  assertEquals(JSON.parse((await tool(copy.url, "--json")).stdout).steps, []);
});

Deno.test("an input from Kafka is rewound to a time, with a store on Kafka or in a file", async () => {
  await using store = await newStore();
  await using folder = await folderOf({});
  const { brokers } = store;
  const from = await createTopic(brokers, { partitions: 2 });
  const now = Math.floor(Date.now() / HOUR) * HOUR;
  const at = (hours: number) => now + hours * HOUR;
  const record = (key: string, partition: number, hours: number) => ({
    key,
    value: "x",
    partition,
    timestamp: at(hours),
  });
  await produce(brokers, from, [
    record("a", 0, -5),
    record("a", 0, -3),
    record("a", 0, -2),
    record("b", 1, -5),
    record("b", 1, -4),
  ]);
  for (const path of [store.url, `${folder.path}/state.db`]) {
    const to = await createTopic(brokers);
    const run = async () => {
      const args = [`--recovery=${path}`, "--", brokers[0], from, to, "once"];
      const { code, stderr } = await runCli([flowFile("kafka_counts.ts"), ...args]);
      assertEquals(code, 0, stderr);
    };
    await run();
    assertEquals(await counts(path), { a: 3, b: 2 });
    const rewind = ["rewind", path, `in=${new Date(at(-3)).toISOString()}`];
    if (path !== store.url) {
      const { code, stderr } = await runCli(["state", ...rewind]);
      assertEquals(code, 2);
      assertStringIncludes(stderr, 'in the topics of step "in", give their brokers: --brokers');
      rewind.push("--brokers", brokers[0]);
    }
    const moved = `  ${from}-0: offset 3 -> offset 1\n  ${from}-1: offset 2 -> offset 2\n`;
    const dry = await tool(...rewind, "--dry-run");
    const last = "nothing was changed: --dry-run\n";
    assertEquals(dry.stderr, `step "in" would be rewound:\n${moved}${last}`);
    assertEquals((await tool(...rewind)).stderr, `step "in" rewound:\n${moved}`);
    await run();
    assertEquals(await counts(path), { a: 5, b: 2 });
    // One partition by its offset: what was written before stays.
    await tool("rewind", path, "in=offset:1", "--partition", `${from}-1`);
    await run();
    assertEquals(await counts(path), { a: 5, b: 3 });
    const written = (await readAll(brokers, to)).map(({ key, value }) => `${key} ${value}`);
    assertEquals(written.toSorted(), [
      ...[1, 2, 3, 4, 5].map((n) => `a ${n}`),
      ...[1, 2, 3].map((n) => `b ${n}`),
    ]);
  }
});

Deno.test("a store on Kafka is as before a tool or as after it, if that is killed while it writes", async () => {
  await using store = await newStore();
  const keys = 10_000;
  const state = encodeValue("x".repeat(1_000)); // so that it takes several requests
  const opened = await store.config.open("flow");
  await opened.commit(1, {
    state: chunks(Array.from({ length: keys }, (_, i) => put(`key ${i}`, state))),
    positions: [],
  });
  await opened.close();
  const topic = store.stateTopic;
  const ended = new AbortController();
  const connection = new KafkaConnection(
    [store.brokers[0]],
    [topic],
    storeTopicsOf({ brokers: store.brokers, topicPrefix: "any" }).settings,
    { log: silentLog, signal: ended.signal },
  );
  try {
    const written = async () => {
      const partitions = [...(await connection.leaders(topic)).keys()];
      const ends = await connection.offsets(
        partitions.map((partition) => ({ topic, partition })),
        "last",
        "read_uncommitted",
      );
      return ends.values().reduce((sum, end) => sum + end, 0);
    };
    const before = await written();
    await using cli = startCli(["state", "rename-step", store.url, "count", "tally"]);
    while (await written() < before + 500); // more than the markers of the commit before
    cli.kill("SIGKILL");
  } finally {
    ended.abort();
    await connection.close();
  }
  // The next tool waits for the lock of the one before, and ends its transaction.
  const { stdout } = await tool("export", store.url);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const ofKeys = lines.filter(({ key }) => key !== undefined);
  assertEquals(ofKeys.length, keys);
  const steps = new Set(ofKeys.map(({ step }) => step));
  assert([["count"], ["tally"]].some((one) => one.join() === [...steps].join()), [...steps].join());
});
