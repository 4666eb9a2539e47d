import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Dataflow,
  json,
  KafkaInputConfig,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type KafkaOutputItem,
  run,
  StepError,
  TestingInputConfig,
  TestingOutputConfig,
  text,
} from "millrace";
import { blockOutput } from "../faults/blocked.ts";
import { produceBomb } from "../faults/bomb.ts";
import { countWhile, waits } from "../faults/counting.ts";
import { recreate } from "../faults/leaders.ts";
import { Network } from "../faults/network.ts";
import { Resumed } from "../faults/resumed.ts";
import { compareWithJava } from "../faults/transaction_log.ts";
import { eventually } from "../support/eventually.ts";
import { produce, readAll } from "../support/kafka/kafka.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { asText, collect, follow, offsetsOf, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { Random } from "../support/values/random.ts";
import { recordingLog } from "../support/recording_log.ts";

/** With these settings, requests time out several times in five seconds. */
const IMPATIENT = { "socket.timeout.ms": 1_000, "socket.connection.setup.timeout.ms": 1_000 };

Deno.test("Kafka with one broker, under faults", async (t) => {
  const random = new Random(9);
  await using network = await Network.listen(random);
  await using cluster = await KafkaCluster.start({
    brokers: 1,
    through: [network.port],
    properties: { "log.cleaner.backoff.ms": 100 },
  });
  network.connect(cluster.behind[0]);
  const { brokers } = cluster;

  await t.step("the first positions of a new cluster's first group are committed", async () => {
    const topic = await cluster.createTopic();
    await produce(brokers, topic, [{ value: "one" }]);
    const { log, warnings } = recordingLog();
    const groupId = "the first";
    const additionalProperties = { "group.id": groupId };
    await collect(new KafkaInputConfig({ brokers, topic, tail: false, additionalProperties }), {
      log,
    });
    assertEquals(warnings, []);
    const [{ partitions: [{ offset }] }] = await cluster.admin((admin) =>
      admin.fetchOffsets({ groupId, topics: [topic] })
    );
    assertEquals(offset, "1");
  });

  for (const how of ["kill", "stop"] as const) {
    await t.step(
      `${how}: it waits until the broker is back, and counts each record once`,
      async () => {
        await countWhile(cluster, {}, async (counting) => {
          const { log, inputTopic, outputTopic, readOn, until } = counting;
          assertEquals(counting.inputWaitsFor, null);
          await cluster[how](0);
          await until(() => waits(log, inputTopic).length > 0, "it said that it waits");
          assertEquals(counting.inputWaitsFor, "broker");
          await cluster.start(0);
          await until(() => waits(log, inputTopic).length > 1, "it said that the broker is back");
          assertEquals(counting.inputWaitsFor, null);
          await readOn(1_000);
          assertEquals(waits(log, inputTopic), ["waiting for broker", "broker is back"]);
          const ofOutput = waits(log, outputTopic);
          assertEquals(
            ofOutput,
            ["waiting for broker", "broker is back"].slice(0, ofOutput.length),
          );
        });
      },
    );
  }

  await t.step("paused for 5 s: requests time out, and each record is counted once", async () => {
    const options = { inputProperties: IMPATIENT, outputProperties: IMPATIENT };
    await countWhile(cluster, options, async ({ log, inputTopic, readOn, until }) => {
      using _ = cluster.pause(0);
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      assertEquals(waits(log, inputTopic), ["waiting for broker"]);
      cluster.resume(0);
      await until(() => waits(log, inputTopic).length > 1, "it said that the broker is back");
      await readOn(1_000);
      assertEquals(waits(log, inputTopic), ["waiting for broker", "broker is back"]);
    });
  });

  await t.step("partitions are added: their records are counted once, too", async () => {
    const options = { inputProperties: { "topic.metadata.refresh.interval.ms": 500 } };
    const { log } = await countWhile(cluster, options, async ({ inputTopic, readOn }) => {
      await cluster.admin((admin) =>
        admin.createPartitions({ topicPartitions: [{ topic: inputTopic, count: 6 }] })
      );
      for (let part = 0; part < 3; part++) {
        const records = Array.from({ length: 300 }, (_, n) => ({
          key: `added ${n % 6}`,
          value: `${part} ${n}`,
          partition: 4 + n % 2,
        }));
        await produce(brokers, inputTopic, records);
        await readOn(1_000);
      }
    });
    const found = log.filter(({ message }) => message === "new partition");
    assertEquals(found.map(({ fields }) => fields.partition), [4, 5]);
  });

  await t.step("paused: a flow that only reads still stops gracefully", async () => {
    const topic = await cluster.createTopic();
    await produce(cluster.brokers, topic, [{ value: "one" }]);
    await using flow = follow(new KafkaInputConfig({ brokers: cluster.brokers, topic }));
    await flow.until(1);
    using _ = cluster.pause(0);
    const { stopped } = await within(flow.stop(), "the flow had stopped");
    assertEquals(stopped, true);
  });

  await t.step("killed: an output waits for it while it has something to write", async () => {
    const topic = await cluster.createTopic();
    const { log, warnings } = recordingLog();
    const writer = await new KafkaOutputConfig({ brokers, topic }).open(testPlace({ log }));
    try {
      await cluster.kill(0);
      assertEquals(writer.waitingFor!(), null);
      writer.write([[null, "held back"]], 0);
      await eventually(() => warnings.length > 0, "it said that it waits");
      assertEquals(writer.waitingFor!(), "broker");
      await cluster.start(0);
      await within(writer.prepare(0), "the epoch was prepared");
      assertEquals(writer.waitingFor!(), null);
      assertEquals((await readAll(brokers, topic)).map(({ value }) => value), ["held back"]);
      assertEquals(warnings, ["waiting for broker", "broker is back"]);
    } finally {
      await writer.close();
    }
  });

  await t.step("not started yet: the flow begins when the broker does", async () => {
    const topic = await cluster.createTopic();
    await produce(cluster.brokers, topic, [{ value: "one" }]);
    await cluster.stop(0);
    const starting = cluster.start(0);
    const [hostname, port] = cluster.brokers[0].split(":");
    await assertRejects(() => Deno.connect({ hostname, port: Number(port) }));
    const input = new KafkaInputConfig({ brokers: cluster.brokers, topic, tail: false });
    const items = await within(collect(input), "the run ended");
    assertEquals(items.map(([, value]) => asText(value)), ["one"]);
    await starting;
  });

  await t.step("a bad network: slow, in single bytes, cut, gone for 3 s", async () => {
    const options = {
      flowBrokers: [network.address],
      inputProperties: IMPATIENT,
      outputProperties: IMPATIENT,
      perSend: 20,
    };
    await countWhile(cluster, options, async ({ log, inputTopic, readOn, until }) => {
      network.weather = { delayMs: 5, jitterMs: 100 };
      await readOn(100);
      const { pieces } = network;
      network.weather = { pieceBytes: 1 };
      await readOn(100);
      assert(
        network.pieces > pieces + 5_000,
        `only ${network.pieces - pieces} bytes by themselves`,
      );
      network.weather = {};
      for (let reset = 1; reset <= 5; reset++) {
        network.resetAfter = random.below(2_000);
        await until(() => network.resets === reset, "a connection was reset");
        await readOn(20);
      }
      network.blackHole = true;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await until(() => waits(log, inputTopic).length > 0, "it said that it waits");
      assert(network.swallowed > 0);
      network.lift();
      await until(() => waits(log, inputTopic).length > 1, "it said that the broker is back");
      await readOn(100);
      assertEquals(waits(log, inputTopic), ["waiting for broker", "broker is back"]);
    });
  });

  for (const compacted of [false, true]) {
    const which = compacted ? "transactions, compacted" : "transactions";
    await t.step(`${which}: the input reads what Java's consumer reads`, async () => {
      await compareWithJava(cluster, new Random(11), { compacted, actions: 100 });
    });
  }

  for (const fault of ["records are deleted", "the topic is made again, shorter"] as const) {
    await t.step(`${fault} while the flow is stopped: the next run refuses`, async () => {
      const topic = await cluster.createTopic({ partitions: 2 });
      const inBoth = (count: number) =>
        Array.from({ length: count }, (_, n) => ({ value: `${n}`, partition: n % 2 }));
      await produce(brokers, topic, inBoth(20));
      const input = new Resumed(new KafkaInputConfig({ brokers, topic, tail: false }));
      assertEquals((await within(collect(input), "the run ended")).length, 20);
      const read = new Map([[`${topic}-0`, 10n], [`${topic}-1`, 10n]]);
      assertEquals(offsetsOf(input.positions), read);
      let expected = `has been deleted and created again`;
      if (fault === "records are deleted") {
        expected = `stored position 10 of topic "${topic}", partition 1 is not on the broker any ` +
          "more, which has 15 to 15";
        await produce(brokers, topic, inBoth(10));
        await cluster.admin(async (admin) => {
          await admin.fetchTopicOffsets(topic); // else KafkaJS does not know the topic's leaders
          await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "15" }] });
        });
      } else {
        await cluster.admin((admin) => admin.deleteTopics({ topics: [topic] }));
        await recreate(cluster, topic);
        await produce(brokers, topic, [
          ...inBoth(6),
          ...inBoth(40).filter((r) => r.partition === 0),
        ]);
      }
      const error = await assertRejects(() => collect(input), StepError);
      assertStringIncludes(error.message, topic);
      assertStringIncludes(error.message, expected);
      assertEquals(offsetsOf(input.positions), read);
    });
  }

  for (
    const [what, poison, decode] of [
      ["no UTF-8", new Uint8Array([0xff, 0xfe]), text.decode],
      ["no JSON", "{", json.decode],
      ["what the step throws at", "3", (value: Uint8Array) => {
        if (text.decode(value) === "3") throw new RangeError("no threes");
      }],
    ] as const
  ) {
    await t.step(`${what}: the step is named, and the next run meets it again`, async () => {
      const topic = await cluster.createTopic();
      const records = ["0", "1", "2", poison, "4", "5"].map((value) => ({ value }));
      const input = new Resumed(new KafkaInputConfig({ brokers, topic }));
      const runToPoison = async () => {
        const seen: unknown[] = [];
        const flow = new Dataflow("poison").input("in", input)
          .map(([, value]) => [decode(value!)])
          .capture(new TestingOutputConfig(seen));
        return await assertRejects(
          () => within(run(flow, { epoch: { interval: { milliseconds: 20 } } }), "the run ended"),
          StepError,
        );
      };
      await produce(brokers, topic, records.slice(0, 3));
      const running = runToPoison();
      const deadline = performance.now() + 10_000;
      while (offsetsOf(input.positions).get(`${topic}-0`) !== 3n) {
        assert(performance.now() < deadline, "the first records were not committed");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await produce(brokers, topic, records.slice(3));
      for (const error of [await running, await runToPoison(), await runToPoison()]) {
        assertEquals(error.stepId, "map-1");
        assert(error.item !== undefined);
        assertEquals(offsetsOf(input.positions), new Map([[`${topic}-0`, 3n]]));
      }
    });
  }

  await t.step("a batch that inflates a thousandfold is refused, again and again", async () => {
    const topic = await cluster.createTopic();
    await produce(brokers, topic, [{ value: "before" }]);
    await produceBomb(brokers, topic, 300);
    const input = new Resumed(new KafkaInputConfig({ brokers, topic, tail: false }));
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await assertRejects(() => within(collect(input), "the run ended"), StepError);
      assertStringIncludes(
        error.message,
        `topic "${topic}", partition 0 cannot be read from offset 1`,
      );
      assertStringIncludes(error.message, "its batch unpacks to more than 256 MiB");
    }
  });

  await t.step(
    "names of JavaScript's own as keys and headers, and 10 MB, are data as any",
    async () => {
      const config = { "max.message.bytes": "20000000" };
      const from = await cluster.createTopic({ config });
      const to = await cluster.createTopic({ config });
      const names = ["__proto__", "constructor", "toString"];
      const large = "x".repeat(10_000_000);
      const headers = JSON.parse(`{"__proto__":"p","constructor":"c"}`);
      const additionalProperties = { "message.max.bytes": 20_000_000 };
      const write = new Dataflow("write").input(
        "in",
        new TestingInputConfig([...names, ...names, "large"].map((key): KafkaOutputItem => ({
          key,
          value: key === "large" ? large : "v",
          headers,
        }))),
      ).capture(new KafkaOutputConfig({ brokers, topic: from, additionalProperties }));
      await within(run(write), "all was written");
      const own = Object.getOwnPropertyNames(Object.prototype).toSorted();
      const copy = new Dataflow("copy")
        .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
        .map((message) => [text.decode(message.key), message])
        .statefulMap("count", () => 0, (count, { headers, value }) => [count + 1, {
          key: `${count + 1}`,
          value,
          headers,
        }])
        .map(([key, record]) => ({ ...record, key: `${key} ${record.key}` }))
        .capture(new KafkaOutputConfig({ brokers, topic: to, additionalProperties }));
      await within(run(copy), "all was copied");
      const read = await readAll(brokers, to);
      assertEquals(
        read.map(({ key }) => key),
        [...names.map((name) => `${name} 1`), ...names.map((name) => `${name} 2`), "large 1"],
      );
      assert(read.at(-1)!.value === large);
      assertEquals(Object.getOwnPropertyNames(Object.prototype).toSorted(), own);
      const items = await collect(new KafkaMessageInputConfig({ brokers, topic: to, tail: false }));
      assertEquals(Object.keys(items[0].headers), ["__proto__", "constructor"]);
      assertEquals(asText(items[0].headers["__proto__"][0]), "p");
    },
  );

  await t.step(
    "an output that takes nothing for 5 s: memory is bounded, then all arrive",
    async () => {
      await blockOutput(cluster, 5_000);
    },
  );
});
