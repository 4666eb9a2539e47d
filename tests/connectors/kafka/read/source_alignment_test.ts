/** A reader whose partitions are kept together in event time. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { InputReader } from "../../../../src/graph/contracts.ts";
import { eventually } from "../../../support/eventually.ts";
import { within } from "../../../support/kafka/reading.ts";
import { TOPIC } from "../../../support/kafka/scripted_kafka.ts";
import { type SimulatedItem, SimulatedKafka } from "../../../support/kafka/simulated_kafka.ts";
import { FakeAlignment } from "../../../support/runtime/fake_alignment.ts";

type Reader = InputReader<SimulatedItem>;

/** What the alignment of the tests reads at once, at most. */
const MOST = 100;

const nameOf = (partition: number) => `${TOPIC}-${partition}`;

/** Opens a reader that goes by an alignment. */
async function aligned(kafka: SimulatedKafka, alignment: FakeAlignment): Promise<Reader> {
  const reader = await kafka.reader(alignment);
  alignment.reader = reader;
  return reader;
}

/** The next items, once there are some; `null` at the end. */
async function nextOf(reader: Reader): Promise<SimulatedItem[] | null> {
  for (;;) {
    const items = reader.next();
    if (items === null || items.length > 0) return items;
    await within(reader.ready(), "the reader was ready");
  }
}

/** The offsets of the positions, by partition. */
function offsetsOf(reader: Reader): Map<string, number> {
  const positions = reader.positions() as ReadonlyMap<string, { offset: bigint }>;
  return new Map(Array.from(positions, ([name, { offset }]) => [name, Number(offset)]));
}

const SIZES = [2, 20, 200, 2_000];

for (
  const { title, properties } of [
    { title: "the smallest queue", properties: { "queued.max.messages.kbytes": 1 } },
    { title: "a queue for a part of them", properties: { "queued.max.messages.kbytes": 64 } },
    { title: "the usual queue", properties: {} },
  ]
) {
  for (const slow of [0, 3]) {
    Deno.test(`partitions of sizes 1:10:100:1000 are read side by side, partition ${slow} slowly, with ${title}`, async () => {
      await using kafka = new SimulatedKafka({
        partitions: SIZES.map((records, p) => ({ records, broker: p === slow ? 1 : 0 })),
        latency: [0, 10],
        valueBytes: 100,
        properties,
      });
      const drift = 0.1; // of the whole, in event time
      const alignment = new FakeAlignment({ drift, most: MOST });
      const reader = await aligned(kafka, alignment);
      const read = SIZES.map(() => 0);
      for (let items; (items = await nextOf(reader)) !== null;) {
        const { partition } = items[0];
        assertEquals(reader.source!(), nameOf(partition));
        for (const item of items) {
          assertEquals(item, { partition, offset: read[partition]++ });
          const time = item.offset / SIZES[partition];
          alignment.reached.set(nameOf(partition), time);
          const behind = reader.sources!().keys();
          const least = Math.min(...behind.map((name) => alignment.reached.get(name) ?? -1));
          // A batch may go on beyond the drift.
          if (least >= 0) assertLess(time - least, drift + MOST / SIZES[partition]);
        }
        assertEquals(offsetsOf(reader).get(nameOf(partition)), read[partition]);
      }
      assertEquals(read, SIZES);
      assertEquals(reader.sources!(), new Map());
    });
  }
}

Deno.test("what a held partition has fetched ahead is bounded, and its broker still serves others", async () => {
  const records = 3_000;
  await using kafka = new SimulatedKafka({
    partitions: [{ records }, { records }, { records }],
    valueBytes: 1_000,
    properties: { "queued.max.messages.kbytes": 1_000 },
  });
  const alignment = new FakeAlignment({ drift: 0 });
  const fetcher = await kafka.fetcher(alignment);
  const { waiting } = fetcher;
  const most = Math.floor(1_024_000 / 3);
  for (let taken = 0, offset = 0; offset < records;) {
    await eventually(() => waiting.firstOf(nameOf(1)) !== null, "more of partition 1 had come");
    const block = waiting.firstOf(nameOf(1))!;
    block.cursor.finish();
    fetcher.taken(block);
    offset = block.next;
    taken++;
    for (const p of [0, 1, 2]) assertLess(waiting.bytesOf(nameOf(p)), most + 10_000);
    assertLess(taken, records);
  }
  assert(waiting.bytesOf(nameOf(0)) >= Math.floor(most / 2));
  const asked = kafka.fetches.at(-1)!.asked;
  assertEquals([asked.has(0), asked.has(2)], [false, false]);
});

Deno.test("more of a partition is fetched before all that waits of it is taken", async () => {
  await using kafka = new SimulatedKafka({
    partitions: [{ records: 5_000 }, { records: 5_000 }],
    valueBytes: 1_000,
    properties: { "queued.max.messages.kbytes": 1_000 },
  });
  const fetcher = await kafka.fetcher(new FakeAlignment({ drift: 0 }));
  const { waiting } = fetcher;
  const isFull = () =>
    waiting.bytesOf(nameOf(0)) >= 256_000 && waiting.bytesOf(nameOf(1)) >= 256_000;
  await eventually(isFull, "both had fetched ahead");
  const before = kafka.fetches.length;
  while (kafka.fetches.length === before) {
    const block = waiting.firstOf(nameOf(1))!;
    block.cursor.finish();
    fetcher.taken(block);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert(waiting.bytesOf(nameOf(1)) > 0, "nothing is left, and no more was asked for");
  }
  assertEquals([...kafka.fetches.at(-1)!.asked.keys()], [1]);
});

Deno.test("a partition is fetched on although its broker would wait for another one", async () => {
  const records = 2_000;
  await using kafka = new SimulatedKafka({
    partitions: [{ records: 0 }, { records }],
    tail: true,
    // The broker would wait for longer than the test.
    properties: { "queued.max.messages.kbytes": 1, "fetch.wait.max.ms": 29_000 },
  });
  const reader = await aligned(kafka, new FakeAlignment({ drift: 0 }));
  for (let read = 0; read < records;) read += (await nextOf(reader))!.length;
  await eventually(
    () => reader.sources!().values().every((state) => state === "current"),
    "both were current",
  );
});

Deno.test("batches that are larger than what is requested of a partition are read", async () => {
  await using kafka = new SimulatedKafka({
    partitions: [{ records: 50 }, { records: 50 }, { records: 50 }],
    valueBytes: 20_000, // 10 of them make a batch, and 64 KiB are requested
    properties: { "queued.max.messages.kbytes": 1 },
  });
  const alignment = new FakeAlignment({ drift: 0, most: 5 });
  const reader = await aligned(kafka, alignment);
  const read = [0, 0, 0];
  for (let items; (items = await nextOf(reader)) !== null;) {
    for (const { partition, offset } of items) {
      assertEquals(offset, read[partition]++);
      alignment.reached.set(nameOf(partition), offset);
    }
  }
  assertEquals(read, [50, 50, 50]);
});

Deno.test("a reader that holds all it has returns nothing, is not idle, and goes on when that changes", async () => {
  await using kafka = new SimulatedKafka({ partitions: [{ records: 5 }] });
  const alignment = new FakeAlignment({ drift: 0 });
  alignment.hold(true);
  const reader = await aligned(kafka, alignment);
  reader.next();
  await within(reader.ready(), "the partition had come");
  assertEquals([reader.next(), reader.idle!()], [[], false]);
  const ready = reader.ready();
  alignment.hold(false);
  await within(ready, "the reader was ready");
  assertEquals((await nextOf(reader))!.length, 5);
  assertEquals(reader.next(), null);
});

Deno.test("a reader that holds all it has is ready when another partition has something", async () => {
  const partitions = [{ records: 5 }, { records: 0 }];
  await using kafka = new SimulatedKafka({ partitions, tail: true });
  const alignment = new FakeAlignment({ drift: 0 });
  alignment.hold(true);
  const reader = await aligned(kafka, alignment);
  reader.next();
  await within(reader.ready(), "the first partition had come");
  assertEquals(reader.next(), []);
  const ready = reader.ready();
  partitions[1].records = 5;
  kafka.appended();
  await within(ready, "the second partition had come");
  assertEquals(reader.next(), []);
});

Deno.test("a reader fails though what it has waits for the partition that has failed", async () => {
  await using kafka = new SimulatedKafka({ partitions: [{ records: 5 }], tail: true });
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = await aligned(kafka, alignment);
  alignment.hold(true);
  reader.next();
  await within(reader.ready(), "the partition had come");
  assertEquals(reader.next(), []);
  const ready = reader.ready();
  kafka.fail(new Error("denied"));
  await within(ready, "the failure was told");
  await assertRejects(async () => await Promise.resolve(reader.next()), Error, "denied");
});

Deno.test("the sources are the partitions that have not ended, and whether each is handed out", async () => {
  const partitions = [{ records: 3 }, { records: 0 }, { records: 5, stable: 4, broker: 1 }];
  await using kafka = new SimulatedKafka({
    partitions,
    tail: true,
    properties: { "fetch.wait.max.ms": 1 },
  });
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = await aligned(kafka, alignment);
  const states = () => [0, 1, 2].map((p) => reader.sources!().get(nameOf(p)) ?? "ended");
  const until = (expected: string[]) =>
    eventually(() => states().join() === expected.join(), expected.join());
  assertEquals(states(), ["behind", "behind", "behind"]); // nothing has been answered
  alignment.hold(true);
  await until(["behind", "current", "behind"]); // a broker says that partition 1 is empty
  alignment.hold(false);
  for (let read = 0; read < 7;) read += (await nextOf(reader))!.length;
  await until(["current", "current", "behind"]); // a transaction is open
  partitions[2].stable = 5;
  kafka.appended();
  assertEquals((await nextOf(reader))!.length, 1);
  await until(["current", "current", "current"]);
  kafka.set(1, true);
  await until(["current", "current", "behind"]);
  kafka.set(1, false);
  await until(["current", "current", "current"]);
});

Deno.test("a partition is a source that is behind before its leader is in reach", async () => {
  const partitions = [{ records: 3 }, { records: 3, isLost: true }];
  await using kafka = new SimulatedKafka({ partitions });
  const reader = await aligned(kafka, new FakeAlignment({ drift: 0 }));
  assertEquals(reader.sources!().get(nameOf(1)), "behind");
  assertEquals((await nextOf(reader))!.length, 3);
  assertEquals(reader.sources!(), new Map([[nameOf(1), "behind"]]));
  partitions[1].isLost = false;
  assertEquals((await nextOf(reader))!.length, 3);
  assertEquals([reader.sources!(), reader.next()], [new Map(), null]);
});

Deno.test("a partition that has ended is not a source any more", async () => {
  await using kafka = new SimulatedKafka({ partitions: [{ records: 3 }, { records: 0 }] });
  const reader = await aligned(kafka, new FakeAlignment({ drift: 0 }));
  assertEquals(reader.sources!(), new Map([[nameOf(0), "behind"]]));
  const items = await nextOf(reader);
  assertEquals([items!.length, reader.source!()], [3, nameOf(0)]);
  assertEquals(reader.sources!(), new Map());
  assertEquals(reader.next(), null);
});
