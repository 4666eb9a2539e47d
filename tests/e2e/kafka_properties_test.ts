import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  createLog,
  Dataflow,
  KafkaInputConfig,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  ManualOutputConfig,
  run,
  TestingInputConfig,
} from "millrace";
import { partitionerOf } from "../../src/connectors/kafka/write/partitioner.ts";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import {
  asText,
  collect,
  follow,
  readFrom,
  within,
  withTransactions,
} from "../support/kafka/reading.ts";
import { javaTool } from "../support/kafka/tools.ts";
import { testPlace } from "../support/runtime/test_place.ts";

const values = (count: number, prefix = "v") =>
  Array.from({ length: count }, (_, n) => ({ value: `${prefix}${n}` }));

Deno.test("KafkaInputConfig reads several topics as one input, each in order", async () => {
  const brokers = await kafkaBrokers();
  const [a, b] = [await createTopic(brokers), await createTopic(brokers, { partitions: 2 })];
  await produce(brokers, a, values(500, "a"));
  await produce(brokers, b, values(300, "b").map((record) => ({ ...record, partition: 1 })));
  const input = new KafkaMessageInputConfig({ brokers, topic: [a, b], tail: false });
  const messages = await collect(input);
  for (const [topic, prefix, count] of [[a, "a", 500], [b, "b", 300]] as const) {
    const got = messages.filter((message) => message.topic === topic);
    assertEquals(got.map(({ value }) => asText(value)), values(count, prefix).map((v) => v.value));
  }
  assertEquals(messages.length, 800);
});

Deno.test("KafkaInputConfig finds partitions that are added while it runs, and reads them from their first record", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, values(3, "old"));
  const additionalProperties = { "topic.metadata.refresh.interval.ms": 1_000 };
  // From the end, which applies only to the partitions that exist at the start.
  const startingOffset = "end";
  const input = new KafkaInputConfig({ brokers, topic, startingOffset, additionalProperties });
  await using flow = follow(input);
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  await admin.disconnect();
  for (const partition of [1, 2]) {
    await produce(brokers, topic, values(2, `p${partition}-`).map((r) => ({ ...r, partition })));
  }
  await flow.until(4);
  const got = flow.items.map(([, value]) => asText(value)).toSorted();
  assertEquals(got, ["p1-0", "p1-1", "p2-0", "p2-1"]);
});

for (const [reset, expected] of [["earliest", ["v4", "v5"]], ["latest", []]] as const) {
  Deno.test(`KafkaInputConfig goes on as auto.offset.reset=${reset} says when a stored position is gone`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers);
    await produce(brokers, topic, values(6));
    const admin = kafkaClient(brokers).admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // else the next call fails: KafkaJS wants metadata
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "4" }] });
    await admin.disconnect();
    const additionalProperties = { "auto.offset.reset": reset };
    const config = new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
    const reader = await config.open(testPlace(), new Map([[`${topic}-0`, { offset: 1n }]]));
    try {
      assertEquals((await readFrom(reader)).map(([, value]) => asText(value)), [...expected]);
    } finally {
      await reader.close();
    }
  });
}

Deno.test("KafkaInputConfig reads aborted and open transactions when isolation.level is read_uncommitted", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await withTransactions(brokers, 2, async ([aborting, waiting]) => {
    const aborted = await aborting.transaction();
    await aborted.send({ topic, messages: [{ value: "aborted" }] });
    await aborted.abort();
    await produce(brokers, topic, [{ value: "plain" }]);
    const open = await waiting.transaction();
    await open.send({ topic, messages: [{ value: "open" }] });
    const read = async (level: string) => {
      const additionalProperties = { "isolation.level": level };
      const config = new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
      return (await within(collect(config), "the run ended")).map(([, value]) => asText(value));
    };
    assertEquals(await read("read_uncommitted"), ["aborted", "plain", "open"]);
    assertEquals(await read("read_committed"), ["plain"]);
    await open.abort();
  });
});

Deno.test("KafkaInputConfig commits its positions to group.id after each epoch, and Kafka's own tool sees the lag", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  await produce(brokers, topic, values(10).map((r, n) => ({ ...r, partition: n % 2 })));
  const group = `group-${crypto.randomUUID()}`;
  const additionalProperties = { "group.id": group };
  const config = new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
  assertEquals((await collect(config)).length, 10);
  await produce(brokers, topic, values(3).map((r) => ({ ...r, partition: 1 })));
  const { stdout } = await javaTool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", [
    "--bootstrap-server",
    brokers.join(","),
    "--describe",
    "--group",
    group,
  ]);
  const rows = stdout.split("\n").filter((line) => line.includes(topic)).map((line) =>
    line.trim().split(/\s+/).slice(2, 6).map(Number)
  );
  // Partition, committed position, end, lag.
  assertEquals(rows.toSorted(([a], [b]) => a - b), [[0, 5, 5, 0], [1, 5, 8, 3]]);

  // An input that continues there has the same lag, until it has handed out what is left.
  const stored = [0, 1].map((n) => [`${topic}-${n}`, { offset: 5n }] as const);
  const reader = await new KafkaInputConfig({ brokers, topic }).open(testPlace(), new Map(stored));
  try {
    const lag = () => [0, 1].map((n) => reader.lag!().get(`${topic}-${n}`));
    await eventually(() => lag().every((items) => items !== undefined), "both were asked for");
    assertEquals(lag(), [0, 3]);
    assertEquals((await readFrom(reader, 3)).length, 3);
    assertEquals(lag(), [0, 0]);
  } finally {
    await reader.close();
  }
});

Deno.test("KafkaInputConfig commits an epoch to group.id that ended before a partition was found", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, values(3));
  const groupId = `group-${crypto.randomUUID()}`;
  const lines: string[] = [];
  const log = createLog((_, message) => lines.push(message));
  const additionalProperties = {
    "group.id": groupId,
    "topic.metadata.refresh.interval.ms": 500,
  };
  const config = new KafkaInputConfig({ brokers, topic, additionalProperties });
  const reader = await config.open(testPlace({ log }), new Map());
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await readFrom(reader, 3);
    const positions = reader.positions();
    await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    await eventually(() => lines.includes("new partition"), "the partition was found");
    await reader.committed!(positions);
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
    assertEquals(
      partitions.filter(({ offset }) => offset !== "-1")
        .map(({ partition, offset }) => [partition, offset]),
      [[0, "3"]],
    );
  } finally {
    await admin.disconnect();
    await reader.close();
  }
});

for (const name of ["murmur2_random", "consistent", "fnv1a", "random"] as const) {
  Deno.test(`KafkaOutputConfig puts keys where partitioner=${name} says`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers, { partitions: 5 });
    const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`);
    const additionalProperties = { partitioner: name };
    const output = new KafkaOutputConfig({ brokers, topic, additionalProperties });
    await run(
      new Dataflow("keys").input("in", new TestingInputConfig(keys)).map((key) => [key, "v"])
        .capture(output),
    );
    const records = await readAll(brokers, topic);
    assertEquals(records.map(({ key }) => key).toSorted(), keys.toSorted());
    const partitionOf = partitionerOf(name);
    for (const { key, partition } of records) {
      const wanted = partitionOf(new TextEncoder().encode(key!), 5);
      if (name !== "random") assertEquals(partition, wanted);
    }
    assert(new Set(records.map(({ partition }) => partition)).size > 1);
  });
}

Deno.test("KafkaOutputConfig refuses a record over message.max.bytes, and shows it", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const additionalProperties = { "message.max.bytes": 2_000 };
  const output = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const flow = new Dataflow("large")
    .input("in", new TestingInputConfig(["small", "x".repeat(3_000)]))
    .map((value) => ["k", value])
    .capture("out", output);
  const error = await assertRejects(() => run(flow)) as Error;
  assertStringIncludes(error.message, `step "out" failed on worker 0: `);
  assertStringIncludes(error.message, "a record with a payload of 3000 bytes is larger than");
});

Deno.test("KafkaOutputConfig never has more waiting than queue.buffering.max.messages and a batch", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const additionalProperties = { "queue.buffering.max.messages": 10, "linger.ms": 50 };
  const config = new KafkaOutputConfig({ brokers, topic, additionalProperties });
  const writer = await config.open(testPlace());
  try {
    const nine = values(9).map(({ value }) => [null, value] as const);
    assertEquals(writer.write(nine, 0), undefined);
    const pushedBack = writer.write(nine, 0);
    assert(pushedBack instanceof Promise, "the flow was not pushed back");
    await pushedBack;
    await writer.prepare(0);
  } finally {
    await writer.close();
  }
  assertEquals((await readAll(brokers, topic)).length, 18);
});

Deno.test("a slow output holds back the Kafka input, and no record is lost", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  await produce(brokers, topic, values(20_000).map((r, n) => ({ ...r, partition: n % 2 })));
  const additionalProperties = {
    "queued.max.messages.kbytes": 64,
    "max.partition.fetch.bytes": 16_384,
  };
  const config = new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
  const seen = new Set<string>();
  let handled = 0;
  const slow = new ManualOutputConfig<[Uint8Array | null, Uint8Array | null]>(() => ([, value]) => {
    seen.add(asText(value)!);
    return ++handled % 1_000 === 0 ? new Promise((resolve) => setTimeout(resolve, 1)) : undefined;
  });
  await run(new Dataflow("slow").input("in", config).capture(slow));
  assertEquals(seen.size, 20_000);
});

Deno.test("KafkaOutputConfig logs once that the broker throttles it", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const client = `throttled-${crypto.randomUUID()}`;
  // Brokers measure over ten seconds or more. So 40 kB are 4 kB a second, half a second too soon.
  await javaTool("kafka.admin.ConfigCommand", [
    ...["--bootstrap-server", brokers[0], "--alter", "--entity-type", "clients"],
    ...["--entity-name", client, "--add-config"],
    "producer_byte_rate=3800",
  ]);
  const lines: string[] = [];
  const log = createLog((level, message, fields) =>
    level === "warn" && lines.push(`${message} ${JSON.stringify(fields)}`)
  );
  const options = { brokers, topic, additionalProperties: { "client.id": client } };
  const records = Array.from({ length: 40 }, (_, n) => [`k${n}`, "x".repeat(1_000)] as const);
  const output = new KafkaOutputConfig(options);
  await within(
    run(new Dataflow("write").input("in", new TestingInputConfig(records)).capture(output), {
      log,
    }),
    "the records were written",
  );
  const throttled =
    /^a broker throttles this client: a quota of it is used up \{"broker":"\S+","pauseMs":\d+\}$/;
  assertEquals([lines.length, throttled.test(lines[0])], [1, true], lines.join("\n"));
  assertEquals((await readAll(brokers, topic)).length, 40);
});
