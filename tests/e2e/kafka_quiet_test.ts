/** When a Kafka input reports that there is nothing to read. */
import { assert, assertEquals } from "@std/assert";
import { KafkaInputConfig } from "millrace";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import { asText, collect, readFrom, within, withTransactions } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";

for (const end of ["commit", "abort"] as const) {
  Deno.test(`a Kafka input is not idle while a transaction is open, and idle after its ${end}`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers);
    await produce(brokers, topic, [{ value: "plain" }]);
    const reader = await new KafkaInputConfig({ brokers, topic }).open(testPlace(), new Map());
    try {
      await readFrom(reader, 1);
      await eventually(() => reader.idle!() === true, "there was nothing more");
      await withTransactions(brokers, 1, async ([producer]) => {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: [{ value: "in it", partition: 0 }] });
        await within(reader.ready(), "the reader was told of the open transaction");
        assertEquals(reader.next(), []);
        assertEquals(reader.idle!(), false);
        await transaction[end]();
      });
      if (end === "commit") {
        const [[, value]] = await readFrom(reader, 1);
        assertEquals(asText(value), "in it");
      }
      await eventually(() => {
        assertEquals(reader.next(), []);
        return reader.idle!() === true;
      }, "there was nothing more again");
    } finally {
      await reader.close();
    }
  });
}

Deno.test("a Kafka input is not idle when the broker goes away just after a record that followed a pause", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await using proxy = new TcpProxy(brokers[0]);
  const reader = await new KafkaInputConfig({ brokers: [proxy.address], topic })
    .open(testPlace(), new Map());
  try {
    await eventually(() => reader.idle!() === true, "there was nothing to read");
    await produce(brokers, topic, [{ value: "after a pause" }]);
    await eventually(() => reader.next()!.length === 1, "the record had come");
    assertEquals(reader.next(), []);
    assert(reader.idle!());
    const ready = reader.ready();
    proxy.refusing = true;
    proxy.cutAll();
    await within(ready, "the reader was told that the broker is away");
    assertEquals(reader.next(), []);
    assertEquals(reader.idle!(), false);
  } finally {
    await reader.close();
  }
});

Deno.test("a committed read continues from within an open transaction that was read uncommitted", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await produce(brokers, topic, [{ value: "plain" }]);
  await withTransactions(brokers, 1, async ([producer]) => {
    const transaction = await producer.transaction();
    const send = (value: string) =>
      transaction.send({ topic, messages: [{ value, partition: 0 }] });
    await send("read uncommitted");
    const uncommitted = new KafkaInputConfig({
      brokers,
      topic,
      additionalProperties: { "isolation.level": "read_uncommitted" },
    });
    const before = await uncommitted.open(testPlace(), new Map());
    await readFrom(before, 2);
    const positions = before.positions();
    await before.close();

    const committed = {
      brokers,
      topic,
      additionalProperties: { "isolation.level": "read_committed" },
    };
    const toEnd = await new KafkaInputConfig({ ...committed, tail: false })
      .open(testPlace(), positions);
    assertEquals(await readFrom(toEnd), []);
    assertEquals(toEnd.positions(), positions);
    await toEnd.close();

    await send("read committed");
    const reader = await new KafkaInputConfig(committed).open(testPlace(), positions);
    try {
      await transaction.commit();
      const [[, value]] = await readFrom(reader, 1);
      assertEquals(asText(value), "read committed");
    } finally {
      await reader.close();
    }
  });
  assertEquals((await collect(new KafkaInputConfig({ brokers, topic, tail: false }))).length, 3);
});
