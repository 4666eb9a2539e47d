/**
 * A topic that is read long after it was written gives the windows that its records say, however
 * far apart its partitions are read.
 */
import { assert, assertEquals } from "@std/assert";
import { run, type RunOptions, TestingOutputConfig } from "millrace";
import { flowFile, runCli, startCli } from "../support/cli.ts";
import {
  backlogOf,
  type BacklogRecord,
  keyOf,
  minuteOf,
  minutesOf,
  T0,
  toWrite,
} from "../support/kafka/backlog.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import { within } from "../support/kafka/reading.ts";
import { type BacklogOptions, countMinutes } from "./flows/kafka_backlog.ts";

const RECORDS = 20_000;
const SPAN_MS = RECORDS * 50;

/** Runs a flow to its end on worker processes, and returns the lines that it has printed. */
async function linesOf(workers: number, flow: string, args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runCli([flowFile(flow), `-w${workers}`, "--", ...args]);
  assertEquals(code, 0, stderr);
  return stdout.trim().split("\n");
}

function assertWindows(lines: readonly string[], expected: readonly string[], told: string): void {
  const late = lines.filter((line) => line.startsWith("late"));
  assertEquals(late.length, 0, `late, ${told}`);
  assertEquals(lines.toSorted(), expected, told);
}

async function backlogTopic(brokers: string[], records: readonly BacklogRecord[]): Promise<string> {
  const partitions = Math.max(...records.map(({ partition }) => partition)) + 1;
  const topic = await createTopic(brokers, { partitions });
  await produce(brokers, topic, toWrite(records));
  return topic;
}

for (
  const [name, sizes] of [
    ["of equal partitions", [1, 1, 1, 1]],
    ["whose partitions have sizes of 1:10:100:1000", [1, 10, 100, 1000]],
  ] as const
) {
  Deno.test(`windows over a topic ${name} are exact with 1, 2 and 3 workers`, async () => {
    const brokers = await kafkaBrokers();
    const whole = sizes.reduce((sum: number, size) => sum + size, 0);
    const records = backlogOf(sizes.map((size) => Math.ceil(RECORDS * size / whole)), SPAN_MS);
    const topic = await backlogTopic(brokers, records);
    for (const workers of [1, 2, 3]) {
      const lines = await linesOf(workers, "kafka_backlog.ts", [brokers[0], topic]);
      assertWindows(lines, minutesOf(records), `${workers} workers`);
    }
  });
}

Deno.test("windows over four topics are exact: two inputs of two topics each, merged", async () => {
  const brokers = await kafkaBrokers();
  const records = backlogOf([1, 1, 1, 1].map(() => RECORDS / 4), SPAN_MS);
  const topics: string[] = [];
  for (let part = 0; part < 4; part++) {
    const own = records.filter(({ partition }) => partition === part);
    topics.push(await backlogTopic(brokers, own.map((record) => ({ ...record, partition: 0 }))));
  }
  const inputs = `${topics[0]},${topics[1]}+${topics[2]},${topics[3]}`;
  for (const workers of [1, 2]) {
    const lines = await linesOf(workers, "kafka_backlog.ts", [brokers[0], inputs]);
    assertWindows(lines, minutesOf(records), `${workers} workers`);
  }
});

Deno.test("windows by a time that a map decodes from JSON are exact", async () => {
  const brokers = await kafkaBrokers();
  const records = backlogOf([1, 1, 1, 1].map(() => RECORDS / 4), SPAN_MS);
  const topic = await createTopic(brokers, { partitions: 4 });
  const values = records.map((record) => JSON.stringify({ key: keyOf(record), at: record.at }));
  // Their times on the broker are all the same.
  await produce(
    brokers,
    topic,
    records.map(({ partition }, i) => ({ partition, value: values[i], timestamp: T0 })),
  );
  for (const workers of [1, 3]) {
    const lines = await linesOf(workers, "kafka_backlog.ts", [brokers[0], topic, "json"]);
    assertWindows(lines, minutesOf(records), `${workers} workers`);
  }
});

Deno.test("two topics are joined by the minute, though one is read through before the other", async () => {
  const brokers = await kafkaBrokers();
  const hours = 2 * 3_600_000;
  const few = backlogOf([600], hours);
  const many = backlogOf([6_000, 6_000], hours);
  const topics = [await backlogTopic(brokers, few), await backlogTopic(brokers, many)];
  const newest = (records: readonly BacklogRecord[]) =>
    new Map(records.map((record) => [`${keyOf(record)} ${minuteOf(record.at)}`, record.at]));
  const sides = [newest(few), newest(many)];
  for (const order of [[0, 1], [1, 0]]) {
    const [orders, payments] = order.map((side) => sides[side]);
    const windows = new Set([...orders.keys(), ...payments.keys()]);
    const expected = Array.from(
      windows,
      (name) => `${name.split(" ")[0]} ${orders.get(name)} ${payments.get(name)}`,
    ).sort();
    for (const workers of [1, 2]) {
      const args = [brokers[0], ...order.map((side) => topics[side])];
      const lines = await linesOf(workers, "kafka_backlog.ts:joined", args);
      assertWindows(lines, expected, `order ${order}, ${workers} workers`);
    }
  }
});

Deno.test("an empty partition holds results back for two seconds at most", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 4 });
  const write = (events: readonly { partition: number; at: number }[]) =>
    produce(
      brokers,
      topic,
      events.map(({ partition, at }) => ({ partition, value: JSON.stringify({ key: "k", at }) })),
    );
  const records = backlogOf([1_000, 1_000, 1_000], 200_000);
  await write(records);
  const due = minuteOf(T0) + 2 * 60_000; // of the windows that the records themselves close
  const next = minuteOf(T0) + 10 * 60_000;
  await using cli = startCli([
    flowFile("kafka_backlog.ts"),
    "-w2",
    "--",
    brokers[0],
    topic,
    "tail",
    "json",
  ]);
  await cli.stdout.line(new RegExp(`^k ${due} `));
  await write([{ partition: 1, at: next + 30_000 }, { partition: 2, at: next + 70_000 }]);
  const began = performance.now();
  await cli.stdout.line(new RegExp(`^k ${next} 1$`));
  const took = performance.now() - began;
  assert(took < 2_000, `it took ${took} ms`);
  cli.kill("SIGTERM");
  const { code, stdout, stderr } = await cli.finished();
  assertEquals(code, 0, stderr);
  const all = [...records, { partition: 1, offset: 0, at: next + 30_000 }];
  const counts = Map.groupBy(all, ({ at }) => minuteOf(at));
  const expected = Array.from(counts, ([from, { length }]) => `k ${from} ${length}`).sort();
  assertWindows(stdout.trim().split("\n"), expected, "two workers");
});

Deno.test("a topic gives the same windows while it is written and from the beginning", async () => {
  const brokers = await kafkaBrokers();
  const records = backlogOf([1, 1, 1, 1].map(() => 1_250), 250_000);
  // A minute later, each key has a value that closes all windows before.
  const last = T0 + 330_000;
  const closing = Array.from(
    { length: 5 },
    (_, i) => ({ partition: 0, offset: 1_250 + i, at: last }),
  );
  const topic = await createTopic(brokers, { partitions: 4 });
  const expected = minutesOf(records);

  const live: string[] = [];
  const stop = new AbortController();
  const running = countInto(live, brokers, { inputs: [[topic]], tail: true }, {
    signal: stop.signal,
  });
  // In pieces of eight seconds: less than `wait`, so the order in which they come does not matter.
  for (let at = 0; at < records.length; at += 160) {
    await produce(brokers, topic, toWrite(records.slice(at, at + 160)));
  }
  await produce(brokers, topic, toWrite(closing));
  await within(until(() => live.length >= expected.length), "all windows had closed");
  stop.abort();
  await running;
  assertWindows(live, expected, "live");

  const lines = await linesOf(2, "kafka_backlog.ts", [brokers[0], topic]);
  assertWindows(lines, minutesOf([...records, ...closing]), "from the beginning");
});

/** Counts in this process. */
async function countInto(
  lines: string[],
  brokers: string[],
  options: BacklogOptions,
  runOptions: RunOptions = {},
): Promise<void> {
  await run(
    countMinutes(brokers, options).capture(new TestingOutputConfig(lines)),
    runOptions,
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
