import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CompressionTypes, Partitioners } from "kafkajs";
import { Buffer } from "node:buffer";
import {
  Dataflow,
  type InputConfig,
  KafkaInputConfig,
  type KafkaInputOptions,
  type KafkaItem,
  KafkaMessageInputConfig,
  ManualOutputConfig,
  type PartitionName,
  run,
  StepError,
} from "millrace";
import { eventually } from "../support/eventually.ts";
import {
  createTopic,
  kafkaBrokers,
  type NewRecord,
  produce,
  readAll,
  replaceTopic,
} from "../support/kafka/kafka.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { hurryCleaner } from "../support/kafka/hurry_cleaner.ts";
import {
  asText,
  collect,
  follow,
  offsetsOf,
  readFrom,
  within,
  withTransactions,
} from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";

type Text = [key: string | null, value: string | null];

const NOTHING_STORED: ReadonlyMap<PartitionName, unknown> = new Map();

const asTexts = (items: readonly KafkaItem[]): Text[] =>
  items.map(([key, value]) => [asText(key), asText(value)]);

const valuesOf = (items: readonly KafkaItem[]) => items.map(([, value]) => asText(value));

/** A new topic with the records in it. */
async function topicWith(
  records: readonly NewRecord[],
  partitions = 1,
): Promise<{ brokers: string[]; topic: string }> {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions });
  await produce(brokers, topic, records);
  return { brokers, topic };
}

/** Values `from 0` to `from 3` and so on, all for one partition. */
const numbered = (name: string, count: number, partition = 0): NewRecord[] =>
  Array.from({ length: count }, (_, n) => ({ value: `${name} ${n}`, partition }));

const toEnd = (options: KafkaInputOptions) => new KafkaInputConfig({ tail: false, ...options });

Deno.test("KafkaInputConfig reads keys and values as bytes, and null if there are none", async () => {
  const odd = new Uint8Array([0, 255, 128, 10]);
  const at = await topicWith([
    { key: "k", value: "v" },
    { key: null, value: "no key" },
    { key: "tombstone", value: null },
    { key: null, value: null },
    { key: "", value: "" },
    { key: odd, value: odd },
  ]);
  const items = await within(collect(toEnd(at)), "the run ended");
  assertEquals(items.map((item) => item.map((bytes) => bytes && [...bytes])), [
    [[107], [118]],
    [null, [..."no key"].map((c) => c.charCodeAt(0))],
    [[..."tombstone"].map((c) => c.charCodeAt(0)), null],
    [null, null],
    [[], []],
    [[...odd], [...odd]],
  ]);
  assert(items[0][0] instanceof Uint8Array);
});

Deno.test("KafkaInputConfig reads all partitions, in order within each", async () => {
  const records = Array.from({ length: 20_000 }, (_, n) => ({ value: `${n}`, partition: n % 5 }));
  const at = await topicWith(records, 5);
  const values = valuesOf(await within(collect(toEnd(at)), "the run ended")).map(Number);
  assertEquals(values.length, 20_000);
  for (const partition of [0, 1, 2, 3, 4]) {
    assertEquals(
      values.filter((n) => n % 5 === partition),
      Array.from({ length: 4_000 }, (_, n) => n * 5 + partition),
    );
  }
});

Deno.test("KafkaInputConfig ends exactly where the topic ended when tail is false", async () => {
  const before = Array.from({ length: 3_000 }, (_, n) => ({ value: `${n}`.padEnd(1_000) }));
  const { brokers, topic } = await topicWith(before);
  const producer = kafkaClient(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  let next = before.length;
  let writing = true;
  const writeOn = async () => {
    while (writing) {
      const messages = Array.from({ length: 20 }, () => ({ value: `${next++}`.padEnd(1_000) }));
      await producer.send({ topic, messages });
    }
  };
  let total = -1;
  /** Records how much there is to read when reading starts. */
  const input: InputConfig<KafkaItem> = {
    async open(at, resume) {
      const reader = await toEnd({ brokers, topic }).open(at, resume);
      total = reader.progress!()!.total;
      return reader;
    },
  };
  const writer = writeOn();
  try {
    const values = valuesOf(await within(collect(input), "the run ended")).map(Number);
    assertEquals(values, Array.from({ length: total }, (_, n) => n));
  } finally {
    writing = false;
    await writer;
    await producer.disconnect();
  }
  assert(total >= before.length);
  assert(next > total, "the other producer wrote nothing after the start");
});

Deno.test("KafkaInputConfig ends at once on an empty topic when tail is false", async () => {
  const at = await topicWith([], 3);
  assertEquals(await within(collect(toEnd(at)), "the run ended"), []);
});

Deno.test("KafkaInputConfig does not wait for empty partitions when tail is false", async () => {
  const at = await topicWith([{ value: "only", partition: 2 }], 4);
  assertEquals(valuesOf(await within(collect(toEnd(at)), "the run ended")), ["only"]);
});

Deno.test("KafkaInputConfig reads no existing record when it starts at the end", async () => {
  const at = await topicWith(numbered("before", 5));
  const input = toEnd({ ...at, startingOffset: "end" });
  assertEquals(await within(collect(input), "the run ended"), []);
});

Deno.test("KafkaInputConfig reads later records when it starts at the end, and stops gracefully", async () => {
  const at = await topicWith(numbered("before", 5));
  let opened = () => {};
  const open = new Promise<void>((resolve) => opened = resolve);
  const input: InputConfig<KafkaItem> = {
    async open(place, resume) {
      const config = new KafkaInputConfig({ ...at, startingOffset: "end" });
      const reader = await config.open(place, resume);
      opened();
      return reader;
    },
  };
  await using flow = follow(input);
  await within(open, "the input was open");
  await produce(at.brokers, at.topic, numbered("after", 5));
  await flow.until(5);
  const { stopped } = await within(flow.stop(), "the run had stopped");
  assertEquals(stopped, true);
  assertEquals(valuesOf(flow.items), numbered("after", 5).map(({ value }) => value));
});

const MORNING = Date.UTC(2026, 0, 2, 6);
const MINUTE = 60_000;

for (
  const [what, timestamp, expected] of [
    ["between two records", MORNING + 1.5 * MINUTE, ["2", "3"]],
    ["of a record", MORNING + 2 * MINUTE, ["2", "3"]],
    ["before all records", MORNING - 1, ["0", "1", "2", "3"]],
    ["before 1970", -1, ["0", "1", "2", "3"]],
    ["later than all", MORNING + 9 * MINUTE, []],
  ] as const
) {
  Deno.test(`KafkaInputConfig starts at the first record from a time ${what} on`, async () => {
    const at = await topicWith(
      [0, 1, 2, 3].map((n) => ({ value: `${n}`, timestamp: MORNING + n * MINUTE })),
      2,
    );
    // Each partition alone, as the other one, without any record, is at its end.
    const input = toEnd({ ...at, startingOffset: { timestamp: new Date(timestamp) } });
    const values = valuesOf(await within(collect(input), "the run ended"));
    assertEquals(values.toSorted(), expected);
  });
}

Deno.test("KafkaInputConfig reads only new records from a time after all records", async () => {
  const at = await topicWith(numbered("before", 3));
  const config = new KafkaInputConfig({
    ...at,
    startingOffset: { timestamp: new Date(Date.now() + 60 * MINUTE) },
  });
  const reader = await config.open(testPlace(), NOTHING_STORED);
  try {
    assertEquals(offsetsOf(reader.positions()), new Map([[`${at.topic}-0`, 3n]]));
    await produce(at.brokers, at.topic, numbered("after", 2));
    assertEquals(valuesOf(await readFrom(reader, 2)), ["after 0", "after 1"]);
  } finally {
    await reader.close();
  }
});

Deno.test("KafkaInputConfig keeps waiting for records when tail is true", async () => {
  const at = await topicWith(numbered("first", 3, 1), 2);
  await using flow = follow(new KafkaInputConfig(at));
  await flow.until(3);
  for (const round of ["second", "third"]) {
    const before = flow.items.length;
    await produce(at.brokers, at.topic, [...numbered(round, 2, 0), ...numbered(round, 2, 1)]);
    await flow.until(before + 4);
  }
  const { stopped, steps } = await within(flow.stop(), "the run had stopped");
  assertEquals(stopped, true);
  assertEquals(steps[0].out, 11);
  assertEquals(valuesOf(flow.items).slice(0, 3), ["first 0", "first 1", "first 2"]);
});

Deno.test("KafkaInputConfig stops gracefully in the middle, with all that it read written", async () => {
  const at = await topicWith(numbered("n", 20_000));
  const stopping = new AbortController();
  const items: KafkaItem[] = [];
  const flow = new Dataflow("stops").input("in", toEnd(at)).capture(
    new ManualOutputConfig<KafkaItem>(() => (item) => {
      items.push(item);
      if (items.length === 100) stopping.abort();
    }),
  );
  const { steps, stopped } = await within(run(flow, { signal: stopping.signal }), "it stopped");
  assertEquals(stopped, true);
  assert(items.length >= 100 && items.length < 20_000);
  assertEquals(steps[0].out, items.length);
  assertEquals(valuesOf(items), numbered("n", items.length).map(({ value }) => value));
});

Deno.test("KafkaInputConfig leaves out aborted transactions, interleaved ones too, and ends", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const zeros = Buffer.alloc(4); // the key of an abort's marker
  await withTransactions(brokers, 2, async ([a, b]) => {
    const send = (value: string, key = zeros) => ({
      topic,
      messages: [{ key, value, partition: 0 }],
    });
    for (const round of [1, 2]) {
      const first = await a.transaction();
      const second = await b.transaction();
      await first.send(send(`aborted ${round}`));
      await second.send(send(`aborted too ${round}`));
      await first.send(send(`aborted ${round}`, Buffer.from("k")));
      await second.abort();
      await first.send(send(`aborted ${round}`));
      await first.abort();
    }
    const aborted = await a.transaction();
    const kept = await b.transaction();
    await aborted.send(send("aborted 3"));
    await kept.send(send("kept 1"));
    await aborted.send(send("aborted 3"));
    await kept.send(send("kept 2"));
    await kept.commit();
    await aborted.send(send("aborted 3"));
    await aborted.abort();
    // Aborting and committing return before the broker has written the markers.
    assertEquals((await readAll(brokers, topic)).map((r) => r.value), ["kept 1", "kept 2"]);

    const items = await within(collect(toEnd({ brokers, topic })), "the run ended");
    assertEquals(asTexts(items), [["\0\0\0\0", "kept 1"], ["\0\0\0\0", "kept 2"]]);
  });
});

Deno.test("KafkaInputConfig ends if only aborted records and markers are left", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  await withTransactions(brokers, 1, async ([producer]) => {
    const send = (value: string, partition: number) => ({
      topic,
      messages: [{ value, partition }],
    });
    const kept = await producer.transaction();
    await kept.send(send("kept", 0));
    await kept.commit();
    const aborted = await producer.transaction();
    await aborted.send(send("aborted", 0));
    await aborted.send(send("aborted", 1));
    await aborted.abort();
    assertEquals((await readAll(brokers, topic)).map((r) => r.value), ["kept"]);
  });
  const reader = await toEnd({ brokers, topic }).open(testPlace(), NOTHING_STORED);
  try {
    assertEquals(valuesOf(await readFrom(reader)), ["kept"]);
    // After the markers: 0 kept, 1 marker, 2 aborted, 3 marker; 0 aborted, 1 marker.
    const positions = new Map([[`${topic}-0`, 4n], [`${topic}-1`, 2n]]);
    assertEquals(offsetsOf(reader.positions()), positions);
    assertEquals(reader.progress!(), { done: 6, total: 6, unit: "records" });
  } finally {
    await reader.close();
  }
});

Deno.test("KafkaInputConfig counts no record as read because aborted ones after it were skipped", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  // Too large to be fetched together.
  await produce(brokers, topic, [{ value: "kept".padEnd(900_000) }]);
  await withTransactions(brokers, 1, async ([producer]) => {
    const aborted = await producer.transaction();
    await aborted.send({ topic, messages: [{ value: "a".repeat(900_000), partition: 0 }] });
    await aborted.abort();
    assertEquals((await readAll(brokers, topic)).length, 1);
  });
  await using proxy = new TcpProxy(brokers[0]);
  const config = new KafkaInputConfig({ brokers: [proxy.address], topic });
  const reader = await config.open(testPlace(), NOTHING_STORED);
  try {
    // It asks for what follows the aborted record, so it has seen that record.
    await eventually(() => proxy.requests("fetch") >= 3, "it had fetched both");
    assertEquals(offsetsOf(reader.positions()), new Map([[`${topic}-0`, 0n]]));
    assertEquals((await readFrom(reader, 1)).length, 1);
    assert(offsetsOf(reader.positions()).get(`${topic}-0`)! >= 1n);
  } finally {
    await reader.close();
  }
});

Deno.test("KafkaInputConfig does not read an open transaction, nor wait for it when tail is false", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "plain" }]);
  await withTransactions(brokers, 1, async ([producer]) => {
    const open = await producer.transaction();
    await open.send({ topic, messages: [{ value: "open", partition: 0 }] });
    await produce(brokers, topic, [{ value: "behind the open one" }]);
    assertEquals(valuesOf(await within(collect(toEnd({ brokers, topic })), "it ended")), ["plain"]);

    await using flow = follow(new KafkaInputConfig({ brokers, topic }));
    await flow.until(1);
    await open.commit();
    await flow.until(3);
    assertEquals(valuesOf(flow.items), ["plain", "open", "behind the open one"]);
  });
});

Deno.test("KafkaInputConfig begins at the oldest record that the broker still has", async () => {
  const { brokers, topic } = await topicWith([...numbered("n", 10), ...numbered("m", 3, 1)], 2);
  await deleteRecords(brokers, topic, [{ partition: 0, offset: "6" }, {
    partition: 1,
    offset: "3",
  }]);
  const values = valuesOf(await within(collect(toEnd({ brokers, topic })), "the run ended"));
  assertEquals(values, ["n 6", "n 7", "n 8", "n 9"]);
});

Deno.test("KafkaInputConfig skips the gaps of compaction, and continues from within them", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, {
    config: {
      "cleanup.policy": "compact",
      "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.01",
      "max.compaction.lag.ms": "100",
    },
  });
  await hurryCleaner(brokers);
  const key = (n: number) => `k${n}`;
  await produce(
    brokers,
    topic,
    [0, 1, 2, 3, 4, 5].map((n) => ({ key: key(n), value: `old ${n}` })),
  );
  // The first and the last record of the batch, and one in between, until they are gone. Each round
  // also closes a segment, as only closed ones are compacted.
  const gone = new Set(["old 0", "old 3", "old 5"]);
  let records = await readAll(brokers, topic);
  const deadline = performance.now() + 30_000;
  while (records.some(({ value }) => gone.has(value!))) {
    assert(performance.now() < deadline, "the broker does not compact the topic");
    await produce(brokers, topic, [0, 3, 5].map((n) => ({ key: key(n), value: `new ${n}` })));
    records = await readAll(brokers, topic);
  }
  const offsets = records.map(({ offset }) => BigInt(offset));
  assertEquals(offsets.slice(0, 3), [1n, 2n, 4n]);

  const config = new KafkaMessageInputConfig({ brokers, topic, tail: false });
  for (let from = 0n; from <= 7n; from++) {
    const reader = await config.open(testPlace(), new Map([[`${topic}-0`, { offset: from }]]));
    try {
      const read = (await readFrom(reader)).map(({ offset }) => offset);
      // The broker may have compacted more meanwhile, but only of what is new.
      assertEquals(
        read.filter((offset) => offset < 6n),
        [1n, 2n, 4n].filter((offset) => offset >= from),
      );
      assertEquals(read.every((offset) => offset >= from), true);
      assertEquals(read.length, new Set(read).size);
      assertEquals(read.at(-1), offsets.at(-1));
    } finally {
      await reader.close();
    }
  }
});

Deno.test("KafkaInputConfig fails if records are deleted before it has read them", async () => {
  const large = Array.from({ length: 40 }, (_, n) => ({ value: `${n}`.padEnd(800_000) }));
  const { brokers, topic } = await topicWith(large);
  const reader = await toEnd({ brokers, topic }).open(testPlace(), NOTHING_STORED);
  try {
    // It reads ahead some 16 MB; the rest is deleted meanwhile.
    await within(reader.ready(), "it had fetched something");
    await deleteRecords(brokers, topic, [{ partition: 0, offset: "39" }]);
    const error = await assertRejects(() => readFrom(reader), Error) as Error;
    assertStringIncludes(
      error.message,
      `of topic "${topic}", partition 0 is not on the broker any`,
    );
    assertStringIncludes(error.message, "records were deleted before they were read");
  } finally {
    await reader.close();
  }
});

async function deleteRecords(
  brokers: string[],
  topic: string,
  partitions: { partition: number; offset: string }[],
): Promise<void> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await admin.fetchTopicOffsets(topic); // else KafkaJS does not know the topic's leaders
    await admin.deleteTopicRecords({ topic, partitions });
  } finally {
    await admin.disconnect();
  }
}

Deno.test("KafkaInputConfig reads large records among small ones", async () => {
  const sizes = [10, 900_000, 20, 30, 900_000, 900_000, 0, 40];
  const at = await topicWith(sizes.map((size, n) => ({ key: `${n}`, value: "x".repeat(size) })));
  const items = await within(collect(toEnd(at)), "the run ended");
  assertEquals(
    items.map(([key, value]) => [asText(key), value?.length]),
    sizes.map((size, n) => [`${n}`, size]),
  );
});

Deno.test("KafkaInputConfig assigns partition p to worker p mod the worker count", async () => {
  const records = [0, 1, 2, 3, 4].flatMap((partition) => numbered(`p${partition}`, 3, partition));
  const at = await topicWith(records, 5);
  const shares: string[][] = [];
  for (const workerIndex of [0, 1, 2]) {
    const reader = await toEnd(at).open(testPlace({ workerIndex, workerCount: 3 }), NOTHING_STORED);
    try {
      const values = valuesOf(await readFrom(reader));
      assertEquals(values.length, new Set(values).size);
      shares.push([...new Set(values.map((value) => value!.slice(0, 2)))].toSorted());
      assertEquals(values.length, shares[workerIndex].length * 3);
      const mine = shares[workerIndex].map((name) => [`${at.topic}-${name.slice(1)}`, 3n] as const);
      assertEquals(offsetsOf(reader.positions()), new Map(mine));
    } finally {
      await reader.close();
    }
  }
  assertEquals(shares, [["p0", "p3"], ["p1", "p4"], ["p2"]]);
});

Deno.test("KafkaInputConfig is at its end at once on a worker without partitions, with tail false", async () => {
  const at = await topicWith(numbered("n", 3), 2);
  const place = testPlace({ workerIndex: 2, workerCount: 3 });
  const reader = await new KafkaInputConfig({ ...at, tail: false }).open(place, NOTHING_STORED);
  try {
    assertEquals(await readFrom(reader), []);
    assertEquals(reader.next(), null);
    assertEquals(reader.positions(), new Map());
  } finally {
    await reader.close();
  }
});

Deno.test("KafkaInputConfig reads a partition that is added, on a worker that had none", async () => {
  const at = await topicWith(numbered("n", 3), 2);
  const place = testPlace({ workerIndex: 2, workerCount: 3 });
  const additionalProperties = { "topic.metadata.refresh.interval.ms": 100 };
  const reader = await new KafkaInputConfig({ ...at, additionalProperties })
    .open(place, NOTHING_STORED);
  const admin = kafkaClient(at.brokers).admin();
  await admin.connect();
  try {
    assertEquals(reader.next(), []);
    assertEquals(reader.idle!(), true);
    await admin.createPartitions({ topicPartitions: [{ topic: at.topic, count: 3 }] });
    await produce(at.brokers, at.topic, [{ value: "new", partition: 2 }]);
    const items: unknown[] = [];
    while (items.length === 0) {
      reader.idle!(); // else it is ready as soon as that changes
      await within(reader.ready(), "the record had come");
      items.push(...reader.next()!);
    }
    assertEquals(offsetsOf(reader.positions()), new Map([[`${at.topic}-2`, 1n]]));
  } finally {
    await admin.disconnect();
    await reader.close();
  }
});

Deno.test("KafkaInputConfig continues a topic that a run in between did not read", async () => {
  const brokers = await kafkaBrokers();
  const first = await createTopic(brokers, { partitions: 2 });
  const second = await createTopic(brokers);
  await produce(brokers, first, [...numbered("a", 60, 0), ...numbered("b", 40, 1)]);
  const runs: [topic: string, workerCount: number, count: number, isWarned: boolean][] = [
    [first, 2, 100, false],
    [second, 1, 0, true],
    [second, 2, 0, true],
    [first, 1, 0, true],
  ];
  let stored = NOTHING_STORED;
  for (const [topic, workerCount, count, isWarned] of runs) {
    const place = testPlace({ stepId: "in", workerCount });
    const next: [PartitionName, unknown][] = [];
    let read = 0;
    for (let workerIndex = 0; workerIndex < workerCount; workerIndex++) {
      const reader = await toEnd({ brokers, topic }).open({ ...place, workerIndex }, stored);
      read += (await readFrom(reader)).length;
      next.push(...reader.positions());
      await reader.close();
    }
    assertEquals(read, count, topic);
    const other = topic === first ? second : first;
    assertEquals(
      place.logged.filter((line) => line.startsWith("warn")),
      isWarned
        ? [
          `warn: the store has positions of topic "${other}", which step "in" does not read now: ` +
          "they are kept",
        ]
        : [],
    );
    stored = new Map(next);
    assertEquals(stored.size, next.length, "no position is kept twice");
  }
  assertEquals(
    offsetsOf(stored),
    new Map([[`${second}-0`, 0n], [`${first}-0`, 60n], [`${first}-1`, 40n]]),
  );
  const reading = (topic: string) => toEnd({ brokers, topic }).open(testPlace(), stored);
  await replaceTopic(second);
  await (await reading(first)).close(); // of a topic that is not read, nothing is asked
  await assertRejects(() => reading(second), Error, "has been deleted and created again");
});

Deno.test("KafkaInputConfig continues a partition that no broker knew of at the start", async () => {
  const at = await topicWith(numbered("n", 1));
  const additionalProperties = { "topic.metadata.refresh.interval.ms": 100 };
  const config = new KafkaInputConfig({ ...at, additionalProperties });
  const ahead = await config.open(testPlace(), NOTHING_STORED);
  await readFrom(ahead, 1);
  const position = ahead.positions().get(`${at.topic}-0`) as object;
  await ahead.close();
  const name = `${at.topic}-1`;
  const stored = new Map([[`${at.topic}-0`, position], [name, { ...position, offset: 2n }]]);
  const reader = await config.open(testPlace(), stored);
  const admin = kafkaClient(at.brokers).admin();
  await admin.connect();
  try {
    assertEquals(offsetsOf(reader.positions()).get(name), 2n);
    await admin.createPartitions({ topicPartitions: [{ topic: at.topic, count: 2 }] });
    await produce(at.brokers, at.topic, numbered("p", 3, 1));
    const items = await readFrom(reader, 1);
    assertEquals(valuesOf(items), ["p 2"]);
    assertEquals(offsetsOf(reader.positions()).get(name), 3n);
  } finally {
    await admin.disconnect();
    await reader.close();
  }
});

Deno.test("KafkaInputConfig reads exactly the rest from each of its positions", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 3 });
  await produce(brokers, topic, [...numbered("a", 9_000, 0), ...numbered("b", 500, 1)]);
  await withTransactions(brokers, 1, async ([producer]) => {
    for (const value of ["kept 1", "aborted", "kept 2", "aborted"]) {
      const transaction = await producer.transaction();
      const messages = [0, 1, 2].map((partition) => ({ value, partition }));
      await transaction.send({ topic, messages });
      await (value === "aborted" ? transaction.abort() : transaction.commit());
    }
  });
  const expected = await readAll(brokers, topic);
  const byPartition = (records: readonly { partition: number; value: string | null }[]) =>
    [0, 1, 2].map((p) => records.filter((r) => r.partition === p).map((r) => r.value));

  const config = new KafkaMessageInputConfig({ brokers, topic, tail: false });
  type Read = { partition: number; value: string | null };
  const readOn = async (
    stored: ReadonlyMap<PartitionName, unknown>,
    after?: (read: Read[], positions: ReadonlyMap<PartitionName, unknown>) => void,
  ) => {
    const read: Read[] = [];
    const reader = await config.open(testPlace(), stored);
    try {
      for (;;) {
        const batch = reader.next();
        if (batch === null) return read;
        for (const { partition, value } of batch) read.push({ partition, value: asText(value) });
        after?.([...read], reader.positions());
        if (batch.length === 0) await within(reader.ready(), "the reader was ready");
      }
    } finally {
      await reader.close();
    }
  };
  const stops: [read: Read[], positions: ReadonlyMap<PartitionName, unknown>][] = [];
  const all = await readOn(NOTHING_STORED, (read, positions) => stops.push([read, positions]));
  assertEquals(byPartition(all), byPartition(expected));
  assert(stops.length >= 4, "there is no position in the middle");
  assert(
    stops.some(([, positions]) =>
      ![0n, 9_000n, 9_008n].includes(offsetsOf(positions).get(`${topic}-0`)!)
    ),
  );
  for (const [read, positions] of stops) {
    assertEquals([...positions.keys()], [0, 1, 2].map((n) => `${topic}-${n}`));
    for (const offset of offsetsOf(positions).values()) assertEquals(typeof offset, "bigint");
    const rest = await readOn(structuredClone(positions));
    assertEquals(byPartition([...read, ...rest]), byPartition(expected));
  }
});

Deno.test("KafkaInputConfig continues from stored positions, wherever it would start without them", async () => {
  const at = await topicWith([...numbered("a", 5, 0), ...numbered("b", 5, 1)], 2);
  for (const startingOffset of ["end", { timestamp: new Date(0) }] as const) {
    const config = toEnd({ ...at, startingOffset });
    const reader = await config.open(testPlace(), new Map([[`${at.topic}-0`, { offset: 3n }]]));
    try {
      // The partition without a position was added later, and is read from its first record.
      const added = numbered("b", 5).map(({ value }) => value);
      assertEquals(valuesOf(await readFrom(reader)).toSorted(), ["a 3", "a 4", ...added]);
    } finally {
      await reader.close();
    }
  }
});

Deno.test("KafkaInputConfig refuses a stored position that the broker does not have", async () => {
  const { brokers, topic } = await topicWith(numbered("n", 10, 1), 2);
  await deleteRecords(brokers, topic, [{ partition: 1, offset: "4" }]);
  for (const stored of [3n, 11n]) {
    const error = await assertRejects(
      () =>
        toEnd({ brokers, topic }).open(testPlace(), new Map([[`${topic}-1`, { offset: stored }]])),
      Error,
    ) as Error;
    assertEquals(
      error.message,
      `the stored position ${stored} of topic "${topic}", partition 1 is not on the broker any ` +
        `more, which has 4 to 10: records in between are lost (to go on all the same, set the ` +
        `property "auto.offset.reset" to earliest or latest)`,
    );
  }
  for (const [stored, count] of [[4n, 6], [10n, 0]] as const) {
    const reader = await toEnd({ brokers, topic }).open(
      testPlace(),
      new Map([[`${topic}-1`, { offset: stored }]]),
    );
    try {
      assertEquals((await readFrom(reader)).length, count);
    } finally {
      await reader.close();
    }
  }
});

Deno.test("KafkaMessageInputConfig reads headers, timestamp, topic, partition and offset", async () => {
  const timestamp = Date.UTC(2026, 0, 2);
  const headers = {
    trace: "1",
    list: ["a", "", "ü"],
    constructor: "c",
    toString: ["t", "t2"],
    ...JSON.parse('{ "__proto__": "p" }'),
  };
  const { brokers, topic } = await topicWith([
    { key: "k", value: "v", timestamp, headers, partition: 1 },
    { key: null, value: null, timestamp: timestamp + 1, partition: 1 },
  ], 2);
  const config = new KafkaMessageInputConfig({ brokers, topic, tail: false });
  const [first, second, ...others] = await within(collect(config), "the run ended");
  assertEquals(others, []);
  assertEquals(
    Object.entries(first.headers).map(([name, values]) => [name, values.map(asText)]),
    [
      ["trace", ["1"]],
      ["list", ["a", "", "ü"]],
      ["constructor", ["c"]],
      ["toString", ["t", "t2"]],
      ["__proto__", ["p"]],
    ],
  );
  assertEquals(Object.getPrototypeOf(first.headers), null);
  assertEquals(
    first.rawHeaders.map(([name, value]) => [name, asText(value)]),
    [
      ["trace", "1"],
      ["list", "a"],
      ["list", ""],
      ["list", "ü"],
      ["constructor", "c"],
      ["toString", "t"],
      ["toString", "t2"],
      ["__proto__", "p"],
    ],
  );
  assertEquals(
    [first, second].map(({ headers: _, rawHeaders: __, key, value, ...rest }) => ({
      key: asText(key),
      value: asText(value),
      ...rest,
    })),
    [
      { key: "k", value: "v", timestamp, topic, partition: 1, offset: 0n },
      { key: null, value: null, timestamp: timestamp + 1, topic, partition: 1, offset: 1n },
    ],
  );
  assertEquals(Object.keys(second.headers), []);
  assertEquals(second.rawHeaders, []);
});

/** Sends records in one compressed batch. */
async function produceCompressed(
  brokers: string[],
  topic: string,
  values: readonly string[],
  compression: CompressionTypes,
): Promise<void> {
  const producer = kafkaClient(brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    const messages = values.map((value) => ({ value, partition: 0 }));
    await producer.send({ topic, messages, compression });
  } finally {
    await producer.disconnect();
  }
}

Deno.test("KafkaInputConfig reads records that were compressed with gzip", async () => {
  const at = await topicWith([{ value: "plain" }]);
  const values = Array.from({ length: 1_000 }, (_, n) => `${n}`.padEnd(100));
  await produceCompressed(at.brokers, at.topic, values, CompressionTypes.GZIP);
  assertEquals(valuesOf(await within(collect(toEnd(at)), "the run ended")), ["plain", ...values]);
});

Deno.test("KafkaInputConfig fails if its topic does not exist, and names it and the brokers", async () => {
  const brokers = await kafkaBrokers();
  const input = toEnd({ brokers, topic: "not-there" });
  const error = await within(assertRejects(() => collect(input), StepError), "it failed");
  assertStringIncludes(
    (error as Error).message,
    `topic "not-there" does not exist on ${brokers[0]}: create it first, or check its name`,
  );
  assertEquals((error as StepError).stepId, "in");
});

Deno.test("KafkaInputConfig ends the run when its topic is deleted while it is read", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "one" }]);
  const seen: unknown[] = [];
  const first = Promise.withResolvers<void>();
  const flow = new Dataflow("deleted")
    .input("in", new KafkaInputConfig({ brokers, topic }))
    .capture(
      new ManualOutputConfig(() => (item) => {
        seen.push(item);
        first.resolve();
      }),
    );
  const running = run(flow);
  await first.promise;
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  const error = await assertRejects(() => running, StepError) as StepError;
  assertStringIncludes(error.message, `topic "${topic}" has been deleted while it was being read`);
  assertEquals(seen.length, 1);
});
