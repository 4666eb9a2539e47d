import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  KafkaInputConfig,
  type KafkaMessage,
  KafkaMessageInputConfig,
  run,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "millrace";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import { readFrom, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";

const clock = new EventClockConfig<KafkaMessage>({
  getTime: ({ timestamp }) => timestamp,
  wait: 0,
});
const seconds = new TumblingWindowConfig({ length: { seconds: 1 } });

Deno.test("a window over a quiet topic closes, long before the epoch ends and without another record", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  const counts: [string, number][] = [];
  const stop = new AbortController();
  const flow = new Dataflow("quiet")
    .input("in", new KafkaMessageInputConfig({ brokers, topic }))
    .keyOn(({ partition }) => `partition ${partition}`)
    .countWindow("count", clock, seconds)
    .capture(new TestingOutputConfig(counts));
  const running = run(flow, { signal: stop.signal, epoch: { interval: { minutes: 10 } } });
  await produce(
    brokers,
    topic,
    [0, 0, 0, 1].map((partition) => ({
      partition,
      value: "v",
      timestamp: 1_000_000,
    })),
  );
  await eventually(() => counts.length === 2, "both windows had closed");
  assertEquals(counts.toSorted(), [["partition 0", 3], ["partition 1", 1]]);
  stop.abort();
  await within(running, "the run stopped");
  assertEquals(counts.length, 2);
});

Deno.test("a Kafka input is idle when the broker has no more, and not when the broker is away", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 2 });
  await produce(brokers, topic, [{ value: "a", partition: 0 }, { value: "b", partition: 1 }]);
  await using proxy = new TcpProxy(brokers[0]);
  const reader = await new KafkaInputConfig({ brokers: [proxy.address], topic })
    .open(testPlace(), new Map());
  try {
    assert(!reader.idle!());
    assertEquals((await readFrom(reader, 2)).length, 2);
    await eventually(() => reader.idle!() === true, "both partitions had nothing more");
    proxy.refusing = true;
    proxy.cutAll();
    await eventually(() => reader.idle!() === false, "it had noticed that the broker is away");
    proxy.refusing = false;
    await within(reader.ready(), "it was told that there is nothing to read again");
    assertEquals(reader.next(), []);
    assert(reader.idle!());
  } finally {
    await reader.close();
  }
});
