import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  createLog,
  Dataflow,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type KafkaProperties,
  run,
  StepError,
  TestingInputConfig,
} from "millrace";
import { ItemError } from "../../src/core/errors.ts";
import { partitionerOf } from "../../src/connectors/kafka/write/partitioner.ts";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { asText, collect, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { Random } from "../support/values/random.ts";

interface WriteOptions {
  readonly partitions?: number;
  /** The topic's settings. */
  readonly config?: Record<string, string>;
  /** The output's. */
  readonly additionalProperties?: KafkaProperties;
}

/** Runs a flow that writes the items to a new topic. */
async function write(
  items: readonly KafkaOutputItem[],
  { partitions, config, additionalProperties }: WriteOptions = {},
): Promise<{ brokers: string[]; topic: string }> {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions, config });
  await writeTo(topic, items, { brokers, additionalProperties });
  return { brokers, topic };
}

async function writeTo(
  topic: string,
  items: readonly KafkaOutputItem[],
  options: { brokers: string[]; additionalProperties?: KafkaProperties },
): Promise<void> {
  const flow = new Dataflow("write")
    .input("in", new TestingInputConfig([...items]))
    .capture("to-kafka", new KafkaOutputConfig({ topic, ...options }));
  await within(run(flow), "the run ended");
}

/** The error of a run that writes the items. */
async function failureOf(writing: Promise<unknown>): Promise<StepError> {
  const error = await within(assertRejects(() => writing, StepError), "the run failed");
  assertEquals((error as StepError).stepId, "to-kafka");
  return error as StepError;
}

/** The topic, read back at once. */
async function written({ brokers, topic }: { brokers: string[]; topic: string }) {
  return (await readAll(brokers, topic)).map(({ key, value }) => [key, value]);
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("KafkaOutputConfig writes pairs and objects, text and bytes, null keys and tombstones", async () => {
  const at = await write([
    ["text", "grüße"],
    [bytes("bytes"), bytes("v")],
    [null, "no key"],
    ["tombstone", null],
    [null, null],
    ["", ""],
    { key: "object", value: "v" },
    { value: bytes("no key") },
    { key: bytes("gone"), value: null },
  ]);
  assertEquals(await written(at), [
    ["text", "grüße"],
    ["bytes", "v"],
    [null, "no key"],
    ["tombstone", null],
    [null, null],
    ["", ""],
    ["object", "v"],
    [null, "no key"],
    ["gone", null],
  ]);
});

Deno.test("KafkaOutputConfig writes bytes that are not text as they are", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const at = await write([[all, all.subarray(100)]]);
  const [message] = await collect(new KafkaMessageInputConfig({ ...at, tail: false }));
  assertEquals([...message.key!], [...all]);
  assertEquals([...message.value!], [...all.subarray(100)]);
});

Deno.test("KafkaOutputConfig writes headers: several values of a name, and any name", async () => {
  const odd = JSON.parse('{ "__proto__": "p", "constructor": "c", "toString": ["t", "t2"] }');
  const at = await write([
    { value: "1", headers: { one: "1", bytes: bytes("2"), list: ["a", bytes("b"), ""], none: [] } },
    { value: "2", headers: odd },
    { value: "3", headers: {} },
    { value: "4" },
  ]);
  const messages = await collect(new KafkaMessageInputConfig({ ...at, tail: false }));
  assertEquals(
    messages.map(({ headers }) =>
      Object.entries(headers).map(([name, values]) => [name, values.map(asText)])
    ),
    [
      [["one", ["1"]], ["bytes", ["2"]], ["list", ["a", "b", ""]]],
      [["__proto__", ["p"]], ["constructor", ["c"]], ["toString", ["t", "t2"]]],
      [],
      [],
    ],
  );
});

Deno.test("KafkaOutputConfig writes a record's own timestamp, and otherwise the time of writing", async () => {
  const start = Date.now();
  const [early, late] = [1e12, 4_000_000_000_000];
  // In one batch, out of order, with the broker's clock in between.
  const config = { "message.timestamp.after.max.ms": "9223372036854775807" };
  const at = await write([
    { value: "late", timestamp: late },
    { value: "now" },
    { value: "early", timestamp: early },
    ["pair", "now too"],
  ], { config });
  const messages = await collect(new KafkaMessageInputConfig({ ...at, tail: false }));
  const end = Date.now();
  const times = messages.map(({ timestamp }) => timestamp);
  assertEquals([times[0], times[2]], [late, early]);
  for (const now of [times[1], times[3]]) assert(now >= start && now <= end, `${now}`);
});

Deno.test("KafkaOutputConfig writes to the partition that a record names, whatever its key", async () => {
  const at = await write(
    [0, 1, 2, 3].flatMap((partition) => [
      { key: "same", value: `${partition}`, partition },
      { value: `${partition} without key`, partition },
    ]),
    { partitions: 4 },
  );
  assertEquals(
    (await readAll(at.brokers, at.topic)).map(({ partition, value }) => [partition, value]),
    [0, 1, 2, 3].flatMap((p) => [[p, `${p}`], [p, `${p} without key`]]),
  );
});

Deno.test("KafkaOutputConfig puts a key where KafkaJS's producer puts it", async () => {
  const random = new Random(17);
  const keys = Array.from(
    { length: 300 },
    (_, n) => Uint8Array.from({ length: 1 + n % 20 }, () => random.below(256)),
  );
  const at = await write(keys.map((key) => [key, key.toHex()]), { partitions: 7 });
  const theirs = await createTopic(at.brokers, { partitions: 7 });
  await produce(at.brokers, theirs, keys.map((key) => ({ key, value: key.toHex() })));
  const places = async (topic: string) =>
    (await readAll(at.brokers, topic)).map(({ partition, value }) => `${value} in ${partition}`);
  const expected = await places(theirs);
  assertEquals(expected.length, 300);
  assertEquals(await places(at.topic), expected);
});

Deno.test("KafkaOutputConfig spreads records without a key over all partitions", async () => {
  const items = Array.from({ length: 60_000 }, (_, n): KafkaOutputItem => [null, `${n}`]);
  const at = await write(items, { partitions: 3 });
  const records = await readAll(at.brokers, at.topic);
  assertEquals(records.length, 60_000);
  assertEquals(new Set(records.map(({ value }) => value)).size, 60_000);
  assertEquals(new Set(records.map(({ partition }) => partition)).size, 3);
});

Deno.test("KafkaOutputConfig writes 100,000 records exactly once, each key's in order", async () => {
  const items = Array.from({ length: 100_000 }, (_, n): KafkaOutputItem => [
    `key ${n % 97}`,
    `${n}`,
  ]);
  // Read back as soon as `run` resolves, as all must be acknowledged by then.
  const at = await write(items, { partitions: 4 });
  const records = await readAll(at.brokers, at.topic);
  assertEquals(records.length, 100_000);
  assertEquals(new Set(records.map(({ partition }) => partition)).size, 4);
  const byKey = Map.groupBy(records, ({ key }) => key);
  assertEquals(byKey.size, 97);
  for (let k = 0; k < 97; k++) {
    assertEquals(
      byKey.get(`key ${k}`)!.map(({ value }) => Number(value)),
      items.flatMap((_, n) => n % 97 === k ? [n] : []),
    );
    assertEquals(new Set(byKey.get(`key ${k}`)!.map(({ partition }) => partition)).size, 1);
  }
});

Deno.test("every record of KafkaOutputConfig is acknowledged when prepare() resolves", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const additionalProperties = { "linger.ms": 100_000 };
  const config = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const writer = await config.open(testPlace());
  try {
    for (let epoch = 0; epoch < 5; epoch++) {
      await writer.write([["k", `${epoch}`], ["k", `${epoch} too`]], epoch);
      assertEquals(await writer.prepare(epoch), new Map());
      const values = (await readAll(brokers, topic)).map(({ value }) => value);
      assertEquals(values.length, 2 * (epoch + 1));
      assertEquals(values.slice(-2), [`${epoch}`, `${epoch} too`]);
    }
    await writer.prepare(5); // nothing was written: nothing to wait for
  } finally {
    await writer.close();
  }
});

Deno.test("KafkaOutputConfig waits for more records only for linger.ms", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const additionalProperties = { "linger.ms": 50 };
  const config = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const writer = await config.open(testPlace());
  try {
    await writer.write([["k", "lingers"]], 0);
    assertEquals(await readAll(brokers, topic), []);
    const deadline = performance.now() + 10_000;
    let records = await readAll(brokers, topic);
    while (records.length === 0 && performance.now() < deadline) {
      records = await readAll(brokers, topic);
    }
    assertEquals(records.map(({ value }) => value), ["lingers"]);
  } finally {
    await writer.close();
  }
});

Deno.test("KafkaOutputConfig does not let full batches linger", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const additionalProperties = { "linger.ms": 100_000 };
  const config = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const writer = await config.open(testPlace());
  const value = "x".repeat(100_000);
  try {
    // 40 MB in all, more than may wait. So writing ends only if sending has begun.
    for (let n = 0; n < 400; n++) {
      await within(Promise.resolve(writer.write([[`${n}`, value]], 0)), `record ${n} was taken`);
    }
    await writer.prepare(0);
  } finally {
    await writer.close();
  }
  const keys = (await readAll(brokers, topic)).map(({ key }) => Number(key));
  assertEquals(keys, Array.from({ length: 400 }, (_, n) => n));
});

for (
  const additionalProperties of [
    { acks: 1 },
    { "compression.type": "gzip" },
    { "linger.ms": 20, "client.id": "writer" },
    { acks: "1", "compression.codec": "gzip", "queue.buffering.max.ms": 1 },
  ] as KafkaProperties[]
) {
  Deno.test(`KafkaOutputConfig writes all, in order, with ${JSON.stringify(additionalProperties)}`, async () => {
    const items = Array.from({ length: 5_000 }, (_, n): KafkaOutputItem => ["k", `${n}`]);
    const at = await write(items, { additionalProperties });
    assertEquals(await written(at), items.map((item) => item as [string, string]));
  });
}

Deno.test("KafkaOutputConfig compresses with compression.type gzip", async () => {
  const value = "x".repeat(3_000_000); // over the broker's limit, unless compressed
  const additionalProperties = { "compression.type": "gzip" };
  const at = await write([["k", value]], { additionalProperties });
  assertEquals(await written(at), [["k", value]]);
});

for (const acks of ["all", "1"]) {
  Deno.test(`KafkaOutputConfig splits batches for a topic of small ones, with acks ${acks}: all arrive once, in order`, async () => {
    const value = "x".repeat(100);
    // Partition 0 gets batches that fit; 1 and 2 get some that do not, in the same requests.
    const items = Array.from({ length: 3_000 }, (_, n): KafkaOutputItem => ({
      value: `${n} ${value}`,
      partition: n % 300 === 0 ? 0 : 1 + n % 2,
    }));
    const config = { "max.message.bytes": "2000" };
    const at = await write(items, { partitions: 3, config, additionalProperties: { acks } });
    const records = await readAll(at.brokers, at.topic);
    for (const partition of [0, 1, 2]) {
      assertEquals(
        records.filter((r) => r.partition === partition).map((r) => parseInt(r.value!)),
        items.flatMap((item, n) => "partition" in item && item.partition === partition ? [n] : []),
      );
    }
  });
}

Deno.test("KafkaOutputConfig names step, topic, size and item of a record that is too large", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { config: { "max.message.bytes": "2000" } });
  const items: KafkaOutputItem[] = [
    ["k", "small"],
    ["the large one", "x".repeat(5_000)],
    ["k", "small too"],
  ];
  const { message, item, cause } = await failureOf(writeTo(topic, items, { brokers }));
  assertStringIncludes(message, `step "to-kafka" failed on worker 0: `);
  assertStringIncludes(
    message,
    `a record with a payload of 5000 bytes is larger than topic "${topic}" accepts: raise its ` +
      `max.message.bytes, or make the record smaller (about 5045 bytes in all: a key of 13, `,
  );
  assertStringIncludes(item!, '[ "the large one", "xxx');
  assertEquals(message.length < 600, true);
  assertStringIncludes(((cause as Error).cause as Error).message, "larger than the max");
});

/** Many good records, and one in the middle of a batch. */
function around(bad: KafkaOutputItem): KafkaOutputItem[] {
  const good = (n: number) => ({ key: `k${n}`, value: `v${n}` });
  return Array.from({ length: 1_000 }, (_, n) => n === 600 ? bad : good(n));
}

Deno.test("KafkaOutputConfig names the record without a key that a compacted topic refuses", async () => {
  const items = around({ key: null, value: "keyless" });
  const config = { "cleanup.policy": "compact" };
  const { message, item } = await failureOf(write(items, { config }));
  assertStringIncludes(message, ", partition 0 does not accept a record (key null, timestamp ");
  assertStringIncludes(message, "Compacted topic cannot accept message without key");
  assertStringIncludes(
    message,
    "cleanup.policy=compact accepts only records with a key: give it one",
  );
  assertEquals(item, '{ key: null, value: "keyless" }');
});

Deno.test("KafkaOutputConfig names the record with a timestamp that the topic refuses", async () => {
  const config = { "message.timestamp.after.max.ms": "3600000" };
  const timestamp = Date.now() * 1000;
  const items = around({ key: "bad", value: "microseconds", timestamp });
  const { message, item } = await failureOf(write(items, { config }));
  assertStringIncludes(message, `(key bytes "bad", timestamp ${timestamp}: `);
  assertStringIncludes(message, `Timestamp ${timestamp} of message`);
  assertStringIncludes(message, "timestamps are milliseconds since 1970; the topic's settings");
  assertEquals(item, `{ key: "bad", value: "microseconds", timestamp: ${timestamp} }`);
});

Deno.test("KafkaOutputConfig names the item that is not a record", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const wrong = { key: "k", value: { amount: 1 } } as unknown as KafkaOutputItem;
  const { message, item } = await failureOf(writeTo(topic, [["k", "v"], wrong], { brokers }));
  assertStringIncludes(message, "a record's value must be bytes, text or null");
  assertEquals(item, '{ key: "k", value: { amount: 1 } }');
});

Deno.test("KafkaOutputConfig refuses a record of another topic", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const { message, item } = await failureOf(
    writeTo(topic, [{ value: "v", topic }, { value: "v", topic: "other" }], { brokers }),
  );
  assertStringIncludes(message, `a record's topic must be the output's, "${topic}"; got "other"`);
  assertEquals(item, '{ value: "v", topic: "other" }');
});

Deno.test("KafkaOutputConfig refuses a partition that the topic does not have", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  const { message } = await failureOf(writeTo(topic, [{ value: "v", partition: 2 }], { brokers }));
  assertStringIncludes(message, "a record's partition must be a whole number from 0 to 1; got 2");
});

Deno.test("KafkaOutputConfig fails if its topic does not exist, and names it and the brokers", async () => {
  const brokers = await kafkaBrokers();
  const { message } = await failureOf(writeTo("not-there", [["k", "v"]], { brokers }));
  assertStringIncludes(
    message,
    `topic "not-there" does not exist on ${brokers[0]}: create it first, or check its name`,
  );
});

Deno.test("KafkaOutputConfig reports a missing broker within its time-out", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broker = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const start = performance.now();
  const { message } = await failureOf(writeTo("t", [["k", "v"]], { brokers: [broker] }));
  assert(performance.now() - start < 14_000);
  assertStringIncludes(message, `no Kafka broker in reach at ${broker} within 10 s: `);
  assertStringIncludes(message, "(is it running, and is the address right?)");
});

Deno.test("KafkaOutputConfig copies the records of KafkaMessageInputConfig, except their topic and partition", async () => {
  const brokers = await kafkaBrokers();
  const timestamp = Date.UTC(2026, 0, 2);
  const from = await createTopic(brokers, { partitions: 2 });
  const to = await createTopic(brokers, { partitions: 2 });
  await produce(brokers, from, [
    { key: "k", value: "v", timestamp, headers: { trace: "1", list: ["a", "b"] }, partition: 1 },
    { key: null, value: null, timestamp: timestamp + 1, partition: 0 },
    { key: "k", value: "", timestamp: timestamp + 2, partition: 0 },
  ]);
  const flow = new Dataflow("copy")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
    .capture(new KafkaOutputConfig({ brokers, topic: to }));
  await within(run(flow), "the run ended");

  const all = async (topic: string) => {
    const messages = await collect(new KafkaMessageInputConfig({ brokers, topic, tail: false }));
    return messages.map(({ key, value, headers, timestamp }) => ({
      key: asText(key),
      value: asText(value),
      headers: Object.entries(headers).map(([name, values]) => [name, values.map(asText)]),
      timestamp,
    })).toSorted((a, b) => a.timestamp - b.timestamp);
  };
  const copied = await all(to);
  assertEquals(copied, await all(from));
  assertEquals(copied.length, 3);
  assertEquals(copied[0].headers, [["trace", ["1"]], ["list", ["a", "b"]]]);
});

Deno.test("KafkaOutputConfig uses partitions that are added while it runs, even if it was idle", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const lines: string[] = [];
  const log = createLog((_, message) => lines.push(message));
  const additionalProperties = { "topic.metadata.refresh.interval.ms": 100 };
  const config = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const writer = await config.open(testPlace({ log }));
  const pairs = (value: string) =>
    Array.from({ length: 40 }, (_, i): [string, string] => [`k${i}`, value]);
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await writer.write(pairs("before"), 0);
    await writer.prepare(0);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    await eventually(() => lines.includes("the topic has more partitions"), "they were found");
    await writer.write(pairs("after"), 1);
    await writer.prepare(1);
  } finally {
    await admin.disconnect();
    await writer.close();
  }
  const read = await readAll(brokers, topic);
  const of = (value: string) => read.filter((record) => record.value === value);
  assertEquals(new Set(of("before").map(({ partition }) => partition)), new Set([0]));
  // Where Kafka's Java producer would write each of them.
  const partitionOf = partitionerOf("murmur2_random");
  assertEquals(
    of("after").map(({ key, partition }) => [key, partition]).sort(),
    pairs("").map(([key]) => [key, partitionOf(bytes(key), 4)]).sort(),
  );
});

Deno.test("KafkaOutputConfig writes to a partition that has just been added", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const writer = await new KafkaOutputConfig({ brokers, topic }).open(testPlace());
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    for (let count = 1; count < 3;) { // until the broker knows them
      const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
      count = partitions.length;
    }
    await writer.write([
      { value: "old", partition: 0 },
      { value: "new", partition: 2 },
      { value: "newer", partition: 1 },
    ], 0);
    await writer.prepare(0);
    const none = async () => await writer.write([{ value: "none", partition: 3 }], 1);
    const { cause } = await assertRejects(none, ItemError);
    assertStringIncludes((cause as Error).message, "from 0 to 2; got 3");
  } finally {
    await admin.disconnect();
    await writer.close();
  }
  const read = await readAll(brokers, topic);
  assertEquals(read.map(({ partition, value }) => [partition, value]), [
    [0, "old"],
    [1, "newer"],
    [2, "new"],
  ]);
});
