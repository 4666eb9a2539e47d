import { assert, assertEquals, assertRejects } from "@std/assert";
import { createTopic, kafkaBrokers, produce, readAll } from "./kafka.ts";
import { kafkaClient } from "./client.ts";

Deno.test("readAll() returns what produce() wrote to a topic of createTopic()", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [
    { key: "k", value: "v", headers: { one: "1", two: ["2", "zwei"] } },
    { key: null, value: "grüße" },
    { key: new Uint8Array([107]), value: null },
    { value: "", timestamp: 0 },
  ]);
  assertEquals(await readAll(brokers, topic), [
    {
      partition: 0,
      offset: "0",
      key: "k",
      value: "v",
      headers: { one: "1", two: ["2", "zwei"] },
    },
    { partition: 0, offset: "1", key: null, value: "grüße", headers: {} },
    { partition: 0, offset: "2", key: "k", value: null, headers: {} },
    { partition: 0, offset: "3", key: null, value: "", headers: {} },
  ]);
});

Deno.test("readAll() returns records by partition and offset, however many", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 3 });
  const records = Array.from({ length: 3_500 }, (_, n) => ({ value: `${n}`, partition: n % 2 }));
  await produce(brokers, topic, [...records, { value: "x".repeat(800_000), partition: 0 }]);

  const read = await readAll(brokers, topic);
  const expected = [0, 1].flatMap((partition) => records.filter((r) => r.partition === partition));
  assertEquals(
    read.filter(({ value }) => value?.length !== 800_000).map(({ partition, value }) => ({
      partition,
      value,
    })),
    expected.map(({ partition, value }) => ({ partition, value })),
  );
  assertEquals(read.filter((r) => r.partition === 0).at(-1)?.offset, "1750");
});

Deno.test("readAll() is quick, also for a topic with nothing in it", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 4 });
  const start = performance.now();
  assertEquals(await readAll(brokers, topic), []);
  assert(performance.now() - start < 2_000);
});

Deno.test("readAll() leaves out aborted and open transactions, interleaved ones too", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const transactional = () =>
    kafkaClient(brokers).producer({
      transactionalId: crypto.randomUUID(),
      maxInFlightRequests: 1,
      idempotent: true,
    });
  const [first, second] = [transactional(), transactional()];
  const send = (value: string) => ({
    topic,
    // The key of an abort marker, which KafkaJS's own filter mistakes for one.
    messages: [{ key: "\0\0\0\0", value, partition: 0 }],
  });
  await Promise.all([first.connect(), second.connect()]);
  try {
    const aborted = await first.transaction();
    const kept = await second.transaction();
    await aborted.send(send("aborted 1"));
    await kept.send(send("kept 1"));
    await aborted.send(send("aborted 2"));
    await kept.send(send("kept 2"));
    await aborted.abort();
    await kept.commit();
    assertEquals((await readAll(brokers, topic)).map((r) => r.value), ["kept 1", "kept 2"]);

    const open = await first.transaction();
    await open.send(send("open"));
    const meanwhile = await readAll(brokers, topic, { openTransactionMs: 50 });
    assertEquals(meanwhile.map((r) => r.value), ["kept 1", "kept 2"]);
    await open.commit();
    const afterwards = await readAll(brokers, topic);
    assertEquals(afterwards.map((r) => r.value), ["kept 1", "kept 2", "open"]);
  } finally {
    await Promise.all([first.disconnect(), second.disconnect()]);
  }
});

Deno.test("createTopic() takes a name and settings, and refuses what is there already", async () => {
  const brokers = await kafkaBrokers();
  const name = `named-${crypto.randomUUID()}`;
  const config = { "cleanup.policy": "compact" };
  assertEquals(await createTopic(brokers, { name, config }), name);
  await assertRejects(() => createTopic(brokers, { name }), Error, "already exists");
});
