import { assertEquals } from "@std/assert";
import { KafkaInputConfig, type Positions } from "millrace";
import { testInput } from "../../../conformance/input.ts";
import { FAKE_TOPIC, type FakeBroker } from "../../../support/kafka/fake_broker.ts";
import { fakeLog } from "../../../support/kafka/fake_log.ts";
import { offsetsOf } from "../../../support/kafka/reading.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

const TOPIC_AUTHORIZATION_FAILED = 29;

testInput("KafkaInputConfig", () => {
  const items = [10, 7, 9].map((count, id) =>
    Array.from({ length: count }, (_, i) => `${id}/${i}`)
  );
  const [first] = items;
  const open: FakeBroker[] = [];
  const brokersOf = (partitions: Parameters<typeof fakeLog>[0]) => {
    const broker = fakeLog(partitions);
    open.push(broker);
    return broker.brokers;
  };
  const all = brokersOf(items.map((values) => ({ values })));
  const inputOf = (brokers: string[], tail = false) =>
    new KafkaInputConfig({ brokers, topic: FAKE_TOPIC, tail });
  return {
    items,
    textOf: ([, value]) => new TextDecoder().decode(value!),
    config: () => inputOf(all),
    waiting: () => inputOf(brokersOf([{ values: [] }]), true),
    failing: () => ({
      config: inputOf(
        brokersOf([{ values: first, failure: { offset: 4, code: TOPIC_AUTHORIZATION_FAILED } }]),
      ),
      items: first.slice(0, 4),
      message: "Not authorized",
    }),
    async [Symbol.asyncDispose]() {
      for (const broker of open) await broker[Symbol.asyncDispose]();
    },
  };
}, {
  "a partition that is away for a run continues after it":
    "a topic loses no partitions; the suite on a real broker takes a topic away",
});

Deno.test("a partition that was added since the last run is read from its first record", async () => {
  await using broker = fakeLog([{ values: ["a", "b"] }, { values: ["c", "d"] }]);
  const { brokers } = broker;
  const config = new KafkaInputConfig({ brokers, topic: FAKE_TOPIC, startingOffset: "end" });
  const offsets = async (resume: Positions) => {
    const reader = await config.open(testPlace(), resume);
    try {
      return offsetsOf(reader.positions());
    } finally {
      await reader.close();
    }
  };
  const names = [0, 1].map((partition) => `${FAKE_TOPIC}-${partition}`);
  const at = (...offsets: bigint[]) => new Map(offsets.map((offset, n) => [names[n], offset]));
  assertEquals(await offsets(new Map([[names[0], { offset: 1n }]])), at(1n, 0n));
  const ofOther = new Map([["other-0", { offset: 1n }]]);
  assertEquals(await offsets(ofOther), new Map([...at(2n, 2n), ["other-0", 1n]]));
  assertEquals(await offsets(new Map()), at(2n, 2n));
});
