import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlowDefinitionError } from "../../../src/core/errors.ts";
import {
  FileInputConfig,
  type InputConfig,
  type InputReader,
  KafkaInputConfig,
  type KafkaInputOptions,
  KafkaMessageInputConfig,
  ManualInputConfig,
  PartitionedInputConfig,
  type Positions,
  type SourceAlignment,
  TestingInputConfig,
} from "millrace";
import { TopicReplacedError } from "../../../src/connectors/kafka/client/topic_watch.ts";
import { openTaskInput } from "../../../src/connectors/kafka_tasks/task_input.ts";
import { FAKE_TOPIC } from "../../support/kafka/fake_broker.ts";
import { fakeLog } from "../../support/kafka/fake_log.ts";
import { asText, offsetsOf, readFrom, within } from "../../support/kafka/reading.ts";
import { idle } from "../../support/eventually.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

const valuesOf = (partition: number, count: number) =>
  Array.from({ length: count }, (_, n) => `${partition}/${n}`);

const ten = [10, 7, 9].map((count, partition) => ({ values: valuesOf(partition, count) }));

const inputOf = (brokers: string[], options: Partial<KafkaInputOptions> = {}) =>
  new KafkaInputConfig({ brokers, topic: FAKE_TOPIC, ...options });

/** A reader of a task, closed at the end of the test. */
async function opened(
  config: InputConfig<unknown>,
  partition: number,
  resume: Positions = new Map(),
  at = testPlace(),
  added: ReadonlySet<string> = new Set(),
): Promise<InputReader<unknown> & AsyncDisposable> {
  const reader = await openTaskInput(config, partition, at, resume, { app: "app", added });
  return Object.assign(reader, { [Symbol.asyncDispose]: () => reader.close() });
}

/** The values of the next `count` items. It asks `idle` too, as the engine does. */
async function read(reader: InputReader<unknown>, count: number): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  while (values.length < count) {
    const items = reader.next() as [null, Uint8Array | null][];
    for (const [, value] of items) values.push(asText(value));
    if (items.length > 0) continue;
    reader.idle!();
    await within(reader.ready(), "the reader was ready");
  }
  return values;
}

async function untilIdle(reader: InputReader<unknown>): Promise<void> {
  while (reader.idle!() !== true) {
    assertEquals(reader.next(), []);
    await within(reader.ready(), "the reader was idle");
  }
}

Deno.test("tasks read between them what a whole reader reads, each its own partition", async () => {
  await using broker = fakeLog(ten);
  const config = inputOf(broker.brokers);
  for (const [partition, { values }] of ten.entries()) {
    await using reader = await opened(config, partition);
    assertEquals(await read(reader, values.length), values);
    await untilIdle(reader);
    const name = `${FAKE_TOPIC}-${partition}`;
    assertEquals([...reader.sources!().keys()], [name]);
    assertEquals(offsetsOf(reader.positions()), new Map([[name, BigInt(values.length)]]));
  }
});

Deno.test("a task's reader goes on at its position, and neither reads nor keeps others", async () => {
  await using broker = fakeLog(ten);
  const resume = new Map([0, 1, 2].map((p) => [`${FAKE_TOPIC}-${p}`, { offset: 4n }]));
  await using reader = await opened(inputOf(broker.brokers), 1, resume);
  assertEquals(await read(reader, 3), ["1/4", "1/5", "1/6"]);
  assertEquals(offsetsOf(reader.positions()), new Map([[`${FAKE_TOPIC}-1`, 7n]]));
});

Deno.test("a task's reader without a position starts where startingOffset says", async () => {
  await using broker = fakeLog(ten);
  await using reader = await opened(inputOf(broker.brokers, { startingOffset: "end" }), 1);
  await untilIdle(reader);
  assertEquals(offsetsOf(reader.positions()), new Map([[`${FAKE_TOPIC}-1`, 7n]]));
});

Deno.test("a task reads a partition that was added since the first run from its first record", async () => {
  await using broker = fakeLog(ten);
  const config = inputOf(broker.brokers, { startingOffset: "end" });
  const added = new Set([FAKE_TOPIC]);
  await using reader = await opened(config, 1, new Map(), testPlace(), added);
  assertEquals(await read(reader, 7), ten[1].values);
  const resume = new Map([[`${FAKE_TOPIC}-1`, { offset: 4n }]]);
  await using resumed = await opened(config, 1, resume, testPlace(), added);
  assertEquals(await read(resumed, 3), ten[1].values.slice(4));
});

Deno.test("a task keeps positions of topics that the input does not name now, and one task says so", async () => {
  await using broker = fakeLog(ten);
  for (const partition of [0, 1]) {
    const at = testPlace({ stepId: "in" });
    const old = { offset: 3n };
    const resume = new Map([[`old-${partition}`, old]]);
    await using reader = await opened(inputOf(broker.brokers), partition, resume, at);
    assertEquals(reader.positions().get(`old-${partition}`), old);
    assertEquals(at.logged.filter((line) => line.includes('"old"')).length, 1 - partition);
  }
});

Deno.test("a task whose partition no topic has is idle without sources, until a topic gets it", async () => {
  const partitions = ten.slice(0, 2);
  await using broker = fakeLog(partitions);
  const additionalProperties = { "topic.metadata.refresh.interval.ms": 10 };
  const config = inputOf(broker.brokers, { startingOffset: "end", additionalProperties });
  await using reader = await opened(config, 2);
  await untilIdle(reader);
  assertEquals(reader.next(), []);
  assertEquals([reader.sources!().size, reader.positions().size, reader.lag!().size], [0, 0, 0]);
  partitions.push(ten[2]);
  assertEquals(await read(reader, 9), ten[2].values);
  assertEquals([...reader.sources!().keys()], [`${FAKE_TOPIC}-2`]);
});

Deno.test("a topic that was created again ends its task, unless auto.offset.reset says where to begin", async () => {
  await using broker = fakeLog(ten);
  let resume: Positions;
  {
    await using reader = await opened(inputOf(broker.brokers), 1);
    await read(reader, 7);
    resume = structuredClone(reader.positions()) as Positions;
  }
  const other = ten.map(({ values }) => ({ values: values.map((value) => `new ${value}`) }));
  await using replaced = fakeLog(other);
  const error = await assertRejects(
    () => opened(inputOf(replaced.brokers), 1, resume),
    TopicReplacedError,
    "deleted and created again",
  );
  assert(error.message.includes("run cli.ts group app reset"), error.message);
  assertEquals(error.message.includes("--from-scratch"), false);
  const additionalProperties = { "auto.offset.reset": "earliest" };
  await using reader = await opened(inputOf(replaced.brokers, { additionalProperties }), 1, resume);
  assertEquals(await read(reader, 7), other[1].values);
});

Deno.test("a topic that was created again without a task's partition ends the task", async () => {
  await using broker = fakeLog(ten.slice(0, 1));
  const resume = new Map([[`${FAKE_TOPIC}-1`, { offset: 4n }]]);
  await assertRejects(
    () => opened(inputOf(broker.brokers), 1, resume),
    TopicReplacedError,
    "it had a partition 1, and has 1 partition",
  );
});

Deno.test("a task's reader leaves the consumer group of its properties alone", async () => {
  await using broker = fakeLog(ten);
  const additionalProperties = { "group.id": "watchers" };
  await using reader = await opened(inputOf(broker.brokers, { additionalProperties }), 0);
  await read(reader, 10);
  await reader.committed!(reader.positions());
  assertEquals(reader.forOutputs!(), undefined);
  assertEquals(broker.asked("FindCoordinator"), []);
});

Deno.test("a task has brokers wait long for records, unless it goes by event time", async () => {
  const waitOf = async (options: Partial<KafkaInputOptions>, alignment?: SourceAlignment) => {
    await using broker = fakeLog(ten);
    const at = { ...testPlace(), ...alignment === undefined ? {} : { alignment } };
    await using reader = await opened(inputOf(broker.brokers, options), 0, new Map(), at);
    reader.next();
    await within(reader.ready(), "the reader was ready");
    return broker.requests.find(({ api }) => api === "Fetch")!.body.readInt32BE(4);
  };
  const set = (additionalProperties: KafkaInputOptions["additionalProperties"]) => ({
    additionalProperties,
  });
  assertEquals(await waitOf({}), 2_000);
  assertEquals(await waitOf(set({ "fetch.wait.max.ms": 9_000 })), 9_000);
  assertEquals(await waitOf(set({ "fetch.min.bytes": 2, "fetch.wait.max.ms": 70 })), 70);
  assertEquals(await waitOf(set({ "socket.timeout.ms": 3_000 })), 250);
  const alignment: SourceAlignment = {
    choose: () => null,
    changed: () => Promise.resolve(),
  } as never;
  assertEquals(await waitOf({}, alignment), 250);
});

Deno.test("a task fetches 4 MiB ahead, or what the flow says", async () => {
  const values = Array.from({ length: 80 }, () => "x".repeat(250_000)); // four of them in a fetch
  const fetchesOf = async (additionalProperties: KafkaInputOptions["additionalProperties"]) => {
    await using broker = fakeLog([{ values }]);
    await using _reader = await opened(inputOf(broker.brokers, { additionalProperties }), 0);
    let before = -1;
    for (let turns = 0; turns < 20 || broker.asked("Fetch").length > before; turns++) {
      before = broker.asked("Fetch").length;
      await idle();
    }
    return before;
  };
  assertEquals(await fetchesOf({}), 5);
  assertEquals(await fetchesOf({ "queued.max.messages.kbytes": 2_000 }), 3);
});

Deno.test("a task reads messages with all that Kafka knows about them", async () => {
  await using broker = fakeLog(ten);
  const config = new KafkaMessageInputConfig({ brokers: broker.brokers, topic: FAKE_TOPIC });
  await using reader = await opened(config, 2);
  const [message] = await readFrom(reader, 1) as { partition: number; offset: bigint }[];
  assertEquals([message.partition, message.offset], [2, 0n]);
});

Deno.test("inputs that tasks cannot share by partition are refused, with the step and a cure", async () => {
  const custom: InputConfig<unknown> = { open: () => Promise.reject(new Error("opened")) };
  for (
    const [config, name] of [
      [new FileInputConfig({ path: "orders.txt" }), "FileInputConfig"],
      [new ManualInputConfig(async function* () {}), "ManualInputConfig"],
      [
        new PartitionedInputConfig({ partitions: () => [], async *build() {} }),
        "PartitionedInputConfig",
      ],
      [new TestingInputConfig([1]), "TestingInputConfig"],
      [custom, "custom input"],
    ] as const
  ) {
    const error = await assertRejects(
      () => openTaskInput(config, 0, testPlace({ stepId: "orders" }), new Map(), { app: "app" }),
      FlowDefinitionError,
    );
    for (const part of [`input "orders"`, name, "Kafka topic first", "without --group"]) {
      assert(error.message.includes(part), `${error.message}: no ${part}`);
    }
  }
});

Deno.test("an input that ends is refused in a group", async () => {
  await assertRejects(
    () =>
      openTaskInput(
        inputOf(["none:1"], { tail: false }),
        0,
        testPlace({ stepId: "orders" }),
        new Map(),
        { app: "app" },
      ),
    FlowDefinitionError,
    `input "orders" has tail: false`,
  );
});
