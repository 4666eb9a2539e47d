/**
 * Topics that are deleted and created again under their names. The records of the new one are never
 * skipped, whether the flow was stopped meanwhile or went on.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaProperties,
  type Positions,
} from "millrace";
import type { InputReader } from "../../src/graph/contracts.ts";
import { eventually } from "../support/eventually.ts";
import {
  createTopic,
  kafkaBrokers,
  type NewRecord,
  produce,
  readAll,
  replaceTopic,
} from "../support/kafka/kafka.ts";
import { asText, readFrom, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { type Newest, TcpProxy } from "../support/kafka/tcp_proxy.ts";

/** The abilities of a broker: topics have ids since Kafka 2.8, and fetches name them since 3.1. */
const BROKERS: readonly { what: string; newest: Newest }[] = [
  { what: "a broker of today", newest: {} },
  { what: "a broker before Kafka 3.1", newest: { fetch: 12 } },
  { what: "a broker before Kafka 2.8", newest: { fetch: 11, metadata: 8 } },
];

const NOTHING_STORED: Positions = new Map();

const CREATED_AGAIN = "has been deleted and created again under its name (";

const records = (name: string, count: number, timestamp = 1): NewRecord[] =>
  Array.from({ length: count }, (_, n) => ({ value: `${name} ${n}`, timestamp, partition: 0 }));

const valuesOf = (items: readonly KafkaItem[]) => items.map(([, value]) => asText(value));

/** Reads to the end of the topic. Returns the records and the final positions. */
async function readOnce(
  config: KafkaInputConfig,
  stored: Positions,
  place = testPlace(),
): Promise<{ values: (string | null)[]; positions: Positions }> {
  const reader = await config.open(place, stored);
  try {
    return {
      values: valuesOf(await readFrom(reader)),
      positions: structuredClone(reader.positions()),
    };
  } finally {
    await reader.close();
  }
}

for (const { what, newest } of BROKERS) {
  Deno.test(`a topic that was created again while the flow was stopped is noticed: ${what}`, async () => {
    await using proxy = new TcpProxy((await kafkaBrokers())[0], [], newest);
    const brokers = [proxy.address];
    const input = (topic: string, additionalProperties: KafkaProperties = {}) =>
      new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
    const topic = await createTopic(await kafkaBrokers());
    await produce(await kafkaBrokers(), topic, records("old", 10));
    const first = await readOnce(input(topic), NOTHING_STORED);
    assertEquals(first.values.length, 10);
    // Even without new records, the position identifies its topic.
    const { values, positions } = await readOnce(input(topic), first.positions);
    assertEquals(values, []);

    // As many records as had been read, then more.
    await replaceTopic(topic);
    for (const count of [10, 30]) {
      await produce(await kafkaBrokers(), topic, records("new", count === 10 ? 10 : 20));
      const error = await assertRejects(() => readOnce(input(topic), positions), Error) as Error;
      assertStringIncludes(error.message, `topic "${topic}" ${CREATED_AGAIN}`);
      assertStringIncludes(error.message, `"auto.offset.reset"`);
    }

    for (const [reset, count] of [["earliest", 30], ["latest", 0]] as const) {
      const place = testPlace();
      const read = await readOnce(input(topic, { "auto.offset.reset": reset }), positions, place);
      assertEquals([read.values.length, read.values[0]], [count, count > 0 ? "new 0" : undefined]);
      assertEquals(place.logged.filter((line) => line.startsWith("warn:")), [
        "warn: topic has been deleted and created again: it is read as a new one",
      ]);
      // From here on, the new topic is the one that is read.
      assertEquals((await readOnce(input(topic), read.positions)).values, []);
    }
  });
}

Deno.test("a topic of other partitions that was created again is read whole, on every worker", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 3 });
  await produce(brokers, topic, [0, 1, 2].map((partition) => ({ value: "old", partition })));
  const input = (additionalProperties: KafkaProperties = {}) =>
    new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties });
  const { positions } = await readOnce(input(), NOTHING_STORED);
  await replaceTopic(topic, { partitions: 2 });
  await produce(
    brokers,
    topic,
    [0, 1].map((partition) => ({ value: `new ${partition}`, partition })),
  );
  for (const workerIndex of [0, 1]) {
    const place = testPlace({ workerIndex, workerCount: 2 });
    await assertRejects(() => readOnce(input(), positions, place), Error, CREATED_AGAIN);
    const again = input({ "auto.offset.reset": "earliest" });
    assertEquals((await readOnce(again, positions, place)).values, [`new ${workerIndex}`]);
  }
});

Deno.test("without topic ids, reading continues if the same records are at the same offsets", async () => {
  const brokers = await kafkaBrokers();
  await using proxy = new TcpProxy(brokers[0], [], { metadata: 8 });
  const topic = await createTopic(brokers);
  await produce(brokers, topic, records("same", 3));
  const input = new KafkaInputConfig({ brokers: [proxy.address], topic, tail: false });
  const { positions } = await readOnce(input, NOTHING_STORED);
  await replaceTopic(topic);
  await produce(brokers, topic, records("same", 5));
  assertEquals((await readOnce(input, positions)).values, ["same 3", "same 4"]);
});

/** A reader that is full, and asks for no more until it is read from. */
async function fullReader(
  brokers: string[],
  topic: string,
  more: KafkaProperties,
  place = testPlace(),
): Promise<InputReader<KafkaItem>> {
  const reader = await new KafkaInputConfig({
    brokers,
    topic,
    additionalProperties: {
      "queued.max.messages.kbytes": 1,
      "max.partition.fetch.bytes": 1_000,
      "fetch.wait.max.ms": 50,
      ...more,
    },
  }).open(place, NOTHING_STORED);
  await within(reader.ready(), "something had been fetched");
  return reader;
}

/** Two batches. A reader with room for one asks for the second after the first. */
async function produceTwice(topic: string, name: string): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const value = `${name} ${i}`.padEnd(2_000, ".");
    await produce(await kafkaBrokers(), topic, [{ value, partition: 0 }]);
  }
}

const nameOf = (value: string | null) => value!.replace(/\.+$/, "");

for (const { what, newest } of BROKERS) {
  // Brokers that accept only names are asked each time whether the topic is the same.
  const fresh: KafkaProperties = newest.fetch === undefined
    ? {}
    : { "topic.metadata.refresh.interval.ms": 1 };

  Deno.test(`a topic that is created again while it is read is noticed at the next fetch: ${what}`, async () => {
    await using proxy = new TcpProxy((await kafkaBrokers())[0], [], newest);
    const topic = await createTopic(await kafkaBrokers());
    await produceTwice(topic, "old");
    const reader = await fullReader([proxy.address], topic, fresh);
    try {
      await replaceTopic(topic);
      await produceTwice(topic, "new");
      const read: KafkaItem[] = [];
      const error = await assertRejects(async () => {
        for (;;) read.push(...await readFrom(reader, 1));
      }, Error) as Error;
      assertStringIncludes(error.message, CREATED_AGAIN);
      assertEquals(valuesOf(read).map(nameOf), ["old 0"]);
    } finally {
      await reader.close();
    }
  });

  Deno.test(`with auto.offset.reset it is read from its beginning: ${what}`, async () => {
    await using proxy = new TcpProxy((await kafkaBrokers())[0], [], newest);
    const topic = await createTopic(await kafkaBrokers());
    await produceTwice(topic, "old");
    const place = testPlace();
    const earliest = { ...fresh, "auto.offset.reset": "earliest" };
    const reader = await fullReader([proxy.address], topic, earliest, place);
    try {
      // If there are more partitions than before, all are read.
      await replaceTopic(topic, { partitions: 2 });
      await produceTwice(topic, "new");
      await produce(await kafkaBrokers(), topic, [{ value: "other", partition: 1 }]);
      const read = valuesOf(await readFrom(reader, 4)).map(nameOf);
      assertEquals(read[0], "old 0");
      assertEquals(read.slice(1).toSorted(), ["new 0", "new 1", "other"]);
      assertEquals(reader.positions().size, 2);
      assertEquals(place.logged.filter((line) => line.startsWith("warn: topic")).length, 1);
    } finally {
      await reader.close();
    }
  });

  Deno.test(`a topic that is created again while no broker is in reach is noticed: ${what}`, async () => {
    await using proxy = new TcpProxy((await kafkaBrokers())[0], [], newest);
    const topic = await createTopic(await kafkaBrokers());
    await produce(await kafkaBrokers(), topic, records("old", 10));
    const reader = await new KafkaInputConfig({ brokers: [proxy.address], topic })
      .open(testPlace(), NOTHING_STORED);
    try {
      assertEquals((await readFrom(reader, 10)).length, 10);
      proxy.refusing = true;
      proxy.cutAll();
      await eventually(() => proxy.refused > 0, "it had tried to come back");
      await replaceTopic(topic);
      await produce(await kafkaBrokers(), topic, records("new", 30));
      proxy.refusing = false;
      const error = await assertRejects(() => readFrom(reader, 1), Error) as Error;
      assertStringIncludes(error.message, CREATED_AGAIN);
    } finally {
      await reader.close();
    }
  });
}

Deno.test("a lost connection to a broker does not count as another topic", async () => {
  for (const { newest } of BROKERS) {
    await using proxy = new TcpProxy((await kafkaBrokers())[0], [], newest);
    const topic = await createTopic(await kafkaBrokers());
    await produce(await kafkaBrokers(), topic, records("one", 10));
    const reader = await new KafkaInputConfig({ brokers: [proxy.address], topic })
      .open(testPlace(), NOTHING_STORED);
    try {
      assertEquals((await readFrom(reader, 10)).length, 10);
      for (const name of ["two", "three"]) {
        proxy.cutAll();
        await produce(await kafkaBrokers(), topic, records(name, 5));
        assertEquals(valuesOf(await readFrom(reader, 5))[0], `${name} 0`);
      }
      assert(proxy.cuts > 0);
    } finally {
      await reader.close();
    }
  }
});

Deno.test("an output whose topic is created again ends the run, and no later epoch counts", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const writer = await new KafkaOutputConfig({ brokers, topic })
    .open(testPlace());
  try {
    await writer.write([["key", "one"]], 0);
    await within(writer.prepare(0), "it was written");
    await replaceTopic(topic);
    // The new topic accepts it silently.
    await writer.write([["key", "two"]], 1);
    const error = await assertRejects(() => within(writer.prepare(1), "it had ended")) as Error;
    assertStringIncludes(error.message, `topic "${topic}" ${CREATED_AGAIN}`);
    assertStringIncludes(error.message, "what was written before is gone");
  } finally {
    await writer.close();
  }
});

Deno.test("an epoch does not count whose records went with the topic before it ended", async () => {
  const brokers = await kafkaBrokers();
  await using proxy = new TcpProxy(brokers[0]);
  const topic = await createTopic(brokers);
  const writer = await new KafkaOutputConfig({ brokers: [proxy.address], topic })
    .open(testPlace());
  try {
    await writer.write([["key", "one"]], 0);
    await untilWritten(brokers, topic, 1);
    await replaceTopic(topic);
    await assertRejects(() => within(writer.prepare(0), "it had ended"), Error, CREATED_AGAIN);
  } finally {
    await writer.close();
  }
});

Deno.test("an output survives lost connections, and ends of epochs without records", async () => {
  const brokers = await kafkaBrokers();
  await using proxy = new TcpProxy(brokers[0]);
  const topic = await createTopic(brokers);
  const writer = await new KafkaOutputConfig({ brokers: [proxy.address], topic })
    .open(testPlace());
  try {
    for (let epoch = 0; epoch < 3; epoch++) {
      proxy.cutAll();
      await writer.write([["key", `${epoch}`]], epoch);
      await within(writer.prepare(epoch), "it was written");
    }
    const asked = proxy.requests("metadata");
    await writer.prepare(3);
    assertEquals(proxy.requests("metadata"), asked);
  } finally {
    await writer.close();
  }
  assertEquals((await readAll(brokers, topic)).map(({ value }) => value), ["0", "1", "2"]);
});

Deno.test("a run that has failed does not wait for a broker to confirm what was written", async () => {
  const brokers = await kafkaBrokers();
  await using proxy = new TcpProxy(brokers[0]);
  const topic = await createTopic(brokers);
  const failing = new AbortController();
  const writer = await new KafkaOutputConfig({ brokers: [proxy.address], topic })
    .open(testPlace({ signal: failing.signal }));
  try {
    await writer.write([["key", "one"]], 0);
    await untilWritten(brokers, topic, 1);
    proxy.refusing = true;
    proxy.cutAll();
    const prepared = writer.prepare(0);
    await eventually(() => proxy.refused > 0, "it had asked");
    failing.abort(new Error("elsewhere"));
    await assertRejects(() => within(prepared, "it had given up"), Error, "elsewhere");
  } finally {
    await writer.close();
  }
});

for (const version of [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]) {
  Deno.test(`a real broker understands Fetch and Metadata of version ${version}`, async () => {
    const brokers = await kafkaBrokers();
    const newest = { fetch: version, metadata: Math.min(version, 12) };
    await using proxy = new TcpProxy(brokers[0], [], newest);
    const topics = [await createTopic(brokers), await createTopic(brokers)];
    for (const topic of topics) await produce(brokers, topic, records(topic, 3));
    const input = new KafkaInputConfig({ brokers: [proxy.address], topic: topics, tail: false });
    const { values, positions } = await readOnce(input, NOTHING_STORED);
    const expected = topics.flatMap((topic) => [0, 1, 2].map((n) => `${topic} ${n}`));
    assertEquals(values.toSorted(), expected.toSorted());
    const stored = [...positions.values()] as { topicId?: string }[];
    const ids = new Set(stored.map(({ topicId }) => topicId));
    assertEquals([ids.size, ids.has(undefined)], version >= 10 ? [2, false] : [1, true]);
  });
}

async function untilWritten(brokers: string[], topic: string, count: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; (await readAll(brokers, topic)).length < count;) {
    if (Date.now() > deadline) throw new Error(`${count} records were not written`);
  }
}
