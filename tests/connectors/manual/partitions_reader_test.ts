/** Partitions that are sources of event time, with a clock that the test sets. */
import { assertEquals, assertThrows } from "@std/assert";
import { silentLog } from "../../../src/core/log.ts";
import { sourceOf } from "../../../src/connectors/manual/iterable_source.ts";
import { PartitionedInputConfig } from "../../../src/connectors/manual/partitioned_input.ts";
import {
  PartitionsReader,
  type PartitionsReaderOptions,
} from "../../../src/connectors/manual/partitions_reader.ts";
import type { InputReader, SourceAlignment } from "../../../src/graph/contracts.ts";
import { within } from "../../support/kafka/reading.ts";
import { FakeAlignment } from "../../support/runtime/fake_alignment.ts";
import { openAlone } from "../../support/runtime/open_input.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

type Pair = [state: number, item: number];

/** An iterator that yields what the test hands it. */
class Hand implements AsyncIterable<Pair> {
  #given: Pair[] = [];
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  give(...items: number[]): void {
    for (const item of items) this.#given.push([item, item]);
    this.#wake.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Pair> {
    for (;;) {
      while (this.#given.length > 0) yield this.#given.shift()!;
      if (this.#isOver) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

function* counted(from: number, to: number, error?: Error): Generator<Pair> {
  for (let i = from; i < to; i++) yield [i, i];
  if (error !== undefined) throw error;
}

/** Chooses what comes first. */
const inTurn: SourceAlignment = {
  choose: ([source]) => ({ source, most: Infinity }),
  changed: () => Promise.resolve(),
};

/** Opens a reader of named iterables. */
function readerOf(
  iterables: Readonly<Record<string, Iterable<Pair> | AsyncIterable<Pair>>>,
  options: Partial<PartitionsReaderOptions> = {},
): PartitionsReader<number> {
  const partitions = Object.entries(iterables).map(([name, iterable]) =>
    [name, sourceOf(iterable, name, silentLog)] as const
  );
  const usual = { resume: new Map(), idleAfterMs: 1_000, alignment: inTurn };
  const reader = new PartitionsReader<number>(partitions, { ...usual, ...options });
  if (options.alignment instanceof FakeAlignment) options.alignment.reader = reader;
  return reader;
}

/** The next items with their source, once there are some; `null` at the end. */
async function nextOf(reader: InputReader<number>): Promise<[string, number[]] | null> {
  for (;;) {
    const items = reader.next();
    if (items === null) return null;
    if (items.length > 0) return [reader.source!(), items];
    await within(reader.ready(), "the reader was ready");
  }
}

/** Lets everything happen that needs no more from outside. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("each batch is of one partition, and partitions take turns if none is chosen", async () => {
  const reader = readerOf({ a: counted(0, 3), b: counted(10, 13) });
  const batches: [string, number[]][] = [];
  for (let batch; (batch = await nextOf(reader)) !== null;) batches.push(batch);
  // How many items a batch has depends on how fast the machine is.
  const itemsOf = (name: string) => batches.flatMap(([of, items]) => of === name ? items : []);
  assertEquals([itemsOf("a"), itemsOf("b")], [[0, 1, 2], [10, 11, 12]]);
  assertEquals(batches.slice(0, 3).map(([name]) => name), ["a", "b", "a"]);
  assertEquals(reader.positions(), new Map([["a", 2], ["b", 12]]));
  assertEquals(reader.sources(), new Map());
});

for (const kind of ["synchronous", "asynchronous"]) {
  Deno.test(`partitions of ${kind} iterables stay together as alignment chooses`, async () => {
    const asIs = (pairs: Iterable<Pair>) => pairs;
    const later = async function* (pairs: Iterable<Pair>) {
      for (const pair of pairs) {
        await settled();
        yield pair;
      }
    };
    const of = kind === "synchronous" ? asIs : later;
    const alignment = new FakeAlignment({ drift: 5, most: 2 });
    const reader = readerOf({ a: of(counted(0, 40)), b: of(counted(0, 20)) }, { alignment });
    const read: Record<string, number[]> = { a: [], b: [] };
    for (let batch; (batch = await nextOf(reader)) !== null;) {
      const [name, items] = batch;
      read[name].push(...items);
      alignment.reached.set(name, items.at(-1)!);
      const [a, b] = ["a", "b"].map((each) => read[each].length);
      if (reader.sources().size === 2 && Math.min(a, b) > 0) {
        assertEquals(Math.abs(a - b) <= 5 + 2, true, `${a} and ${b}`);
      }
    }
    assertEquals(read, {
      a: Array.from({ length: 40 }, (_, i) => i),
      b: Array.from({ length: 20 }, (_, i) => i),
    });
  });
}

Deno.test("a partition is current once it has been silent for idleAfter, and then by itself", async () => {
  let now = 0;
  const [a, b] = [new Hand(), new Hand()];
  const reader = readerOf({ a, b }, { now: () => now });
  const states = () => ["a", "b"].map((name) => reader.sources().get(name));
  now = 5_000;
  assertEquals(states(), ["behind", "behind"]); // neither has been asked
  assertEquals(reader.next(), []);
  now += 999;
  assertEquals(states(), ["behind", "behind"]);
  a.give(1);
  await settled();
  now += 1;
  assertEquals(states(), ["behind", "current"]);
  assertEquals([reader.next(), reader.source()], [[1], "a"]);
  assertEquals(states(), ["behind", "current"]);
  assertEquals(reader.next(), []);
  now += 1_000;
  assertEquals(states(), ["current", "current"]);
  b.give(2);
  await settled();
  assertEquals(states(), ["current", "behind"]);
  b.end();
  assertEquals(reader.next(), [2]);
  await settled();
  assertEquals(reader.next(), []);
  assertEquals(reader.sources(), new Map([["a", "current"]]));
  a.end();
  await reader.close();
});

Deno.test("a partition whose item had to wait is current once that is read, if its iterator was silent", async () => {
  let now = 0;
  const [a, b] = [new Hand(), new Hand()];
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = readerOf({ a, b }, { alignment, now: () => now });
  alignment.hold(true);
  reader.next();
  a.give(1);
  await settled();
  assertEquals(reader.next(), []);
  now = 999;
  assertEquals([reader.next(), reader.idle()], [[], false]);
  now = 1_000;
  assertEquals(reader.sources(), new Map([["a", "behind"], ["b", "current"]]));
  alignment.hold(false);
  assertEquals(reader.next(), [1]);
  assertEquals(reader.next(), []);
  assertEquals([reader.sources().get("a"), reader.idle()], ["current", true]);
  for (const hand of [a, b]) hand.end();
  await reader.close();
});

Deno.test("time without a look does not count as silence, as an iterator may have had no chance to yield", () => {
  let now = 0;
  const reader = readerOf({ a: new Hand() }, { now: () => now, idleAfterMs: 10_000 });
  reader.next();
  now += 60_000;
  assertEquals([...reader.sources().values()], ["behind"]);
  for (let looks = 0; looks < 9; looks++) {
    now += 1_000;
    reader.sources();
  }
  assertEquals([...reader.sources().values()], ["current"]);
});

Deno.test("a partition whose iterator is asked for nothing of old is current at once with idleAfter 0", () => {
  const reader = readerOf({ a: new Hand() }, { now: () => 0, idleAfterMs: 0 });
  assertEquals([...reader.sources().values()], ["behind"]);
  reader.next();
  assertEquals([...reader.sources().values()], ["current"]);
});

for (const reason of ["alignment", "another partition"]) {
  Deno.test(`a reader whose items all have to wait is not idle, and is ready because of ${reason}`, async () => {
    const [a, b] = [new Hand(), new Hand()];
    const alignment = new FakeAlignment({ drift: 0 });
    const reader = readerOf({ a, b }, { alignment });
    alignment.hold(true);
    reader.next();
    a.give(1);
    await within(reader.ready(), "an item had come");
    assertEquals([reader.next(), reader.idle()], [[], false]);
    const ready = reader.ready();
    if (reason === "alignment") alignment.hold(false);
    else b.give(2);
    await within(ready, "the reader was ready");
    alignment.hold(false);
    assertEquals(reader.next(), [1]);
    for (const hand of [a, b]) hand.end();
    await reader.close();
  });
}

Deno.test("a stop ends the waiting: what was taken comes, whatever alignment says", async () => {
  const a = new Hand();
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = readerOf({ a }, { alignment });
  alignment.hold(true);
  reader.next();
  a.give(1);
  await within(reader.ready(), "an item had come");
  assertEquals(reader.next(), []);
  const ready = reader.ready();
  reader.stop();
  await within(ready, "the reader was ready");
  assertEquals(reader.next(), [1]);
  a.end();
  assertEquals(await nextOf(reader), null);
  await reader.close();
});

Deno.test("if a partition fails, what others have yielded comes first, whatever alignment says", async () => {
  const b = new Hand();
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = readerOf({ a: counted(0, 1, new Error("failed")), b }, { alignment });
  b.give(1, 2);
  reader.next();
  await settled();
  alignment.reached.set("b", 9); // it would have to wait for the other one
  alignment.reached.set("a", 0);
  assertEquals(reader.next(), [1, 2]);
  b.end();
  await settled();
  assertThrows(() => reader.next(), Error, "failed");
  await reader.close();
});

Deno.test("PartitionedInputConfig goes by alignment, and by the run's clock", async () => {
  let now = 0;
  const hand = new Hand();
  const input = new PartitionedInputConfig<number, number>({
    partitions: () => ["a"],
    build: () => hand,
    idleAfter: { seconds: 1 },
  });
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = await openAlone(input, new Map(), testPlace({ alignment, elapsed: () => now }));
  alignment.reader = reader;
  reader.next();
  now = 1_000;
  assertEquals(reader.sources!(), new Map([["a", "current"]]));
  hand.end();
  await reader.close();
});
