import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaOutputItem,
  run,
  TestingInputConfig,
} from "millrace";
import { eventually, idle } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { asText, collect, follow, readFrom, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { recordingLog } from "../support/recording_log.ts";
import { type Fault, TcpProxy } from "../support/kafka/tcp_proxy.ts";

const an = (lose: Fault["lose"]) =>
  ({
    request: "a request",
    response: "an answer",
    "half a response": "half an answer",
    success: "word of success for one partition",
  })[lose];

const valuesOf = (items: readonly KafkaItem[]) => items.map(([, value]) => asText(value));

/** Values that begin with `0`, `1`, … and are large enough for several fetches or batches. */
const PADDED = 1_000;
const padded = (count: number) => Array.from({ length: count }, (_, n) => `${n}`.padEnd(PADDED));

for (const lose of ["request", "response", "half a response"] as const) {
  Deno.test(`KafkaInputConfig reads each record once, in order, when fetches lose ${an(lose)}`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers, { partitions: 2 });
    const values = padded(10_000);
    await produce(brokers, topic, values.map((value, n) => ({ value, partition: n % 2 })));
    const faults = [1, 2, 4].map((nth): Fault => ({ api: "fetch", nth, lose }));
    await using proxy = new TcpProxy(brokers[0], faults);
    const input = new KafkaInputConfig({ brokers: [proxy.address], topic, tail: false });
    const read = valuesOf(await within(collect(input), "the run ended")).map(Number);

    assertEquals(proxy.fired, faults);

    for (const partition of [0, 1]) {
      assertEquals(
        read.filter((n) => n % 2 === partition),
        values.map((_, n) => n).filter((n) => n % 2 === partition),
      );
    }
    assertEquals(read.length, 10_000);
  });
}

Deno.test("KafkaInputConfig starts although the broker's answer about the topic's offsets is lost", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "v" }]);
  const faults: Fault[] = [
    { api: "metadata", nth: 2, lose: "response" },
    { api: "listOffsets", nth: 1, lose: "response" },
    { api: "listOffsets", nth: 4, lose: "response" }, // in the next attempt
  ];
  await using proxy = new TcpProxy(brokers[0], faults);
  const input = new KafkaInputConfig({ brokers: [proxy.address], topic, tail: false });
  assertEquals(valuesOf(await within(collect(input), "the run ended")), ["v"]);
  assertEquals(proxy.fired.length, faults.length);
});

Deno.test("KafkaInputConfig waits while the broker is away, and goes on exactly where it was", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "0" }, { value: "1" }]);
  await using proxy = new TcpProxy(brokers[0]);
  const { log, warnings } = recordingLog();
  const input = new KafkaInputConfig({ brokers: [proxy.address], topic });
  await using flow = follow(input, { log });
  await flow.until(2);
  assertEquals(warnings, []);

  proxy.refusing = true;
  proxy.cutAll();
  await produce(brokers, topic, [{ value: "2" }, { value: "3" }]);
  await eventually(() => warnings.length > 0, "it said that it waits");
  assertEquals(warnings, ["waiting for broker"]);
  assert(proxy.cuts > 0 && proxy.refused > 0);
  assertEquals(flow.items.length, 2);

  proxy.refusing = false;
  await flow.until(4);
  await produce(brokers, topic, [{ value: "4" }]);
  await flow.until(5);
  assertEquals(valuesOf(flow.items), ["0", "1", "2", "3", "4"]);
  assertEquals(warnings, ["waiting for broker", "broker is back"]);
});

Deno.test("KafkaInputConfig stops gracefully while the broker is away", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "0" }]);
  await using proxy = new TcpProxy(brokers[0]);
  await using flow = follow(new KafkaInputConfig({ brokers: [proxy.address], topic }));
  await flow.until(1);
  proxy.refusing = true;
  proxy.cutAll();
  await eventually(() => proxy.refused > 0, "it tried to connect again");
  const { stopped } = await within(flow.stop(), "the run had stopped");
  assertEquals(stopped, true);
});

Deno.test("KafkaInputConfig requests no more while the flow accepts nothing", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  const records = Array.from({ length: 600 }, (_, n) => ({
    value: `${n}`.padEnd(100_000),
    partition: n % 2,
  }));
  await produce(brokers, topic, records); // 60 MB
  await using proxy = new TcpProxy(brokers[0]);
  const config = new KafkaInputConfig({ brokers: [proxy.address], topic, tail: false });
  const reader = await config.open(testPlace(), new Map());
  try {
    // Nobody calls `next`. It has stopped asking when nothing more arrives for half a second, twice
    // as long as a fetch may wait.
    const deadline = performance.now() + 10_000;
    for (let before = -1; before !== proxy.received && performance.now() < deadline;) {
      before = proxy.received;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const fetches = proxy.requests("fetch");
    assert(proxy.received > 15 << 20, `only ${proxy.received} bytes came`);
    assert(proxy.received < 24 << 20, `${proxy.received} bytes came`);

    assertEquals((await readFrom(reader)).length, 600);
    assert(proxy.requests("fetch") > fetches);
  } finally {
    await reader.close();
  }
});

/** Writes to a new topic through the proxy. Returns the topic's values afterwards, by partition. */
async function writeThrough(
  faults: readonly Fault[],
  items: readonly KafkaOutputItem[],
  config: Record<string, string> = {},
): Promise<{ values: string[][]; fired: readonly Fault[] }> {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 3, config });
  await using proxy = new TcpProxy(brokers[0], faults);
  const flow = new Dataflow("write")
    .input("in", new TestingInputConfig([...items]))
    .capture(new KafkaOutputConfig({ brokers: [proxy.address], topic }));
  await within(run(flow), "the run ended");
  const records = await readAll(brokers, topic);
  return {
    values: [0, 1, 2].map((p) => records.filter((r) => r.partition === p).map((r) => r.value!)),
    fired: proxy.fired,
  };
}

const inTurn = (values: readonly string[]): KafkaOutputItem[] =>
  values.map((value, n) => ({ value, partition: n % 3 }));

const byPartition = (values: readonly string[]) =>
  [0, 1, 2].map((p) => values.filter((_, n) => n % 3 === p));

for (const lose of ["request", "response", "half a response", "success"] as const) {
  Deno.test(`KafkaOutputConfig writes each record once, in order, when writes lose ${an(lose)}`, async () => {
    const values = padded(12_000);
    const faults = [1, 2, 4, 6].map((nth): Fault => ({ api: "produce", nth, lose }));
    const { values: written, fired } = await writeThrough(faults, inTurn(values));
    assertEquals(fired, faults);
    assertEquals(written.map((each) => each.length), [4_000, 4_000, 4_000]);
    assertEquals(written, byPartition(values));
  });
}

Deno.test("KafkaOutputConfig writes each record once when answers are lost while it splits batches", async () => {
  const values = Array.from({ length: 600 }, (_, n) => `${n}`.padEnd(100));
  const faults = [1, 2, 5, 8, 13, 21, 34].map((nth): Fault => ({
    api: "produce",
    nth,
    lose: "response",
  }));
  const small = { "max.message.bytes": "2000" };
  const { values: written, fired } = await writeThrough(faults, inTurn(values), small);
  assertEquals(fired, faults);
  assertEquals(written, byPartition(values));
});

Deno.test("KafkaOutputConfig starts although the broker's first answers are lost", async () => {
  const faults: Fault[] = [
    { api: "metadata", nth: 1, lose: "response" },
    { api: "initProducerId", nth: 1, lose: "response" },
    { api: "metadata", nth: 3, lose: "request" },
    { api: "initProducerId", nth: 2, lose: "request" },
  ];
  const { values, fired } = await writeThrough(faults, inTurn(["a", "b", "c"]));
  assertEquals(fired.length, faults.length);
  assertEquals(values, [["a"], ["b"], ["c"]]);
});

Deno.test("KafkaOutputConfig waits for the broker at the start, and not again once it has begun", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await using proxy = new TcpProxy(brokers[0]);
  proxy.refusing = true;
  const { log, warnings } = recordingLog();
  const config = new KafkaOutputConfig({ brokers: [proxy.address], topic });
  const opening = config.open(testPlace({ log }));
  await eventually(() => warnings.length > 0, "it said that it waits");
  proxy.refusing = false;
  const writer = await within(opening, "the output was open");
  try {
    assertEquals(writer.waitingFor!(), null);
    assertEquals(warnings, ["waiting for broker", "broker is back"]);
  } finally {
    await writer.close();
  }
});

Deno.test("KafkaOutputConfig holds records back while the broker is away, and delivers them after", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await using proxy = new TcpProxy(brokers[0]);
  const writer = await new KafkaOutputConfig({ brokers: [proxy.address], topic }).open(testPlace());
  try {
    await writer.write([[null, "before"]], 0);
    await writer.prepare(0);
    proxy.refusing = true;
    proxy.cutAll();
    await writer.write([[null, "during"]], 1);
    let prepared = false;
    const preparing = writer.prepare(1).then(() => prepared = true);
    await eventually(() => writer.waitingFor!() === "broker", "it said that it waits");
    assert(proxy.refused >= 3);
    assertEquals(prepared, false);
    proxy.refusing = false;
    await within(preparing, "the epoch was prepared");
    assertEquals(writer.waitingFor!(), null);
    assertEquals((await readAll(brokers, topic)).map((r) => r.value), ["before", "during"]);
  } finally {
    await writer.close();
  }
});

Deno.test("KafkaOutputConfig accepts little while it does not know how fast the broker is", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await using proxy = new TcpProxy(brokers[0]);
  const gate = Promise.withResolvers<void>();
  proxy.mayProduce = gate.promise;
  const values = padded(20_000); // 20 MB
  let taken = 0;
  const flow = new Dataflow("slow")
    .input("in", new TestingInputConfig(values))
    .map((value) => {
      taken++;
      return [null, value];
    })
    .capture(new KafkaOutputConfig({ brokers: [proxy.address], topic }));
  const running = run(flow);
  await eventually(() => proxy.requests("produce") > 0, "it writes");
  for (let before = -1; before !== taken; await idle()) before = taken;
  const ahead = taken;
  gate.resolve();
  await within(running, "the run ended");
  assert(ahead < 3_000, `${ahead} kB were taken before any was acknowledged`);
  assertEquals((await readAll(brokers, topic)).length, values.length);
});
