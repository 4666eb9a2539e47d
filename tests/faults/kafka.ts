/**
 * The faults of `tests/e2e/kafka_broker_faults_test.ts` and `kafka_two_brokers_test.ts`, longer and
 * at random: `deno task test:faults`, some twenty minutes. `FAULT_SEED` sets the first seed, which
 * is printed, and `FAULT_SEEDS` their number.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CompressionTypes } from "kafkajs";
import { KafkaInputConfig, StepError } from "millrace";
import { produce } from "../support/kafka/kafka.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { follow } from "../support/kafka/reading.ts";
import { Random } from "../support/values/random.ts";
import { type Fault, TcpProxy } from "../support/kafka/tcp_proxy.ts";
import { blockOutput } from "./blocked.ts";
import { countWhile, errorsIn, waits } from "./counting.ts";
import { moveLeaders, recreate } from "./leaders.ts";
import { Network, type Weather } from "./network.ts";
import { compareWithJava } from "./transaction_log.ts";

const FIRST = Number(Deno.env.get("FAULT_SEED") ?? Math.floor(Math.random() * 1_000_000));
const SEEDS = Array.from(
  { length: Number(Deno.env.get("FAULT_SEEDS") ?? 10) },
  (_, n) => FIRST + n,
);
console.log(`FAULT_SEED=${FIRST} FAULT_SEEDS=${SEEDS.length}`);

const SECOND = 1_000;

const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const CODECS = [CompressionTypes.None, CompressionTypes.GZIP] as const;

Deno.test(`a broker is killed or stopped five times (seed ${FIRST})`, async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  const random = new Random(FIRST);
  const valueBytes = 100;
  await countWhile(cluster, { valueBytes }, async ({ log, inputTopic, readOn, until }) => {
    for (let time = 1; time <= 5; time++) {
      await cluster[random.pick(["kill", "stop"] as const)](0);
      await until(() => waits(log, inputTopic).length === 2 * time - 1, "it said that it waits");
      await cluster.start(0);
      await until(() => waits(log, inputTopic).length === 2 * time, "it said that it is back");
      await readOn(1 + random.below(20_000));
    }
  });
});

Deno.test("a broker is away for 60 s, which is logged once", async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  await countWhile(cluster, {}, async ({ log, inputTopic, readOn, until }) => {
    await cluster.kill(0);
    await pass(60 * SECOND);
    assertEquals(waits(log, inputTopic), ["waiting for broker"]);
    await cluster.start(0);
    await until(() => waits(log, inputTopic).length > 1, "it said that the broker is back");
    await readOn(1_000);
    assertEquals(waits(log, inputTopic), ["waiting for broker", "broker is back"]);
  });
});

for (const seconds of [5, 20, 70]) {
  Deno.test(`a broker is paused for ${seconds} s, with the default time-outs`, async () => {
    await using cluster = await KafkaCluster.start({ brokers: 1 });
    await countWhile(cluster, { patienceMs: 60 * SECOND }, async (counting) => {
      const errors = errorsIn(counting.log);
      using _ = cluster.pause(0);
      await pass(2 * SECOND); // for what had been fetched
      const { read } = counting;
      await pass((seconds - 2) * SECOND);
      assertEquals(counting.read, read, "the broker was not paused");
      if (seconds > 30) assert(errorsIn(counting.log) > errors, "no request timed out");
      cluster.resume(0);
      await counting.readOn(1_000);
    });
  });
}

Deno.test("requests and answers are lost by chance", async (t) => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  for (const seed of SEEDS) {
    await t.step(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const faults = new Map<string, Fault>();
      while (faults.size < 12) {
        const api = random.pick(["produce", "fetch"] as const);
        const nth = 2 + random.below(60);
        const ways = ["request", "response", "half a response"] as const;
        const lose = random.pick(api === "produce" ? [...ways, "success"] as const : ways);
        faults.set(`${api} ${nth}`, { api, nth, lose });
      }
      await using proxy = new TcpProxy(cluster.brokers[0], [...faults.values()]);
      const options = { flowBrokers: [proxy.address], compression: random.pick(CODECS) };
      await countWhile(cluster, options, async ({ until }) => {
        await until(
          () => proxy.fired.length === faults.size,
          "all faults had happened",
          60 * SECOND,
        );
      });
    });
  }
});

Deno.test("the network is bad by chance", async (t) => {
  await using network = await Network.listen(new Random(FIRST));
  await using cluster = await KafkaCluster.start({ brokers: 1, through: [network.port] });
  network.connect(cluster.behind[0]);
  for (const seed of SEEDS) {
    await t.step(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const options = {
        flowBrokers: [network.address],
        compression: random.pick(CODECS),
        perSend: 20,
        pauseMs: 50, // little enough for the slowest network
        patienceMs: 60 * SECOND,
      };
      await countWhile(cluster, options, async ({ readOn, until }) => {
        for (let change = 0; change < 6; change++) {
          const pieces = network.pieces;
          network.weather = random.pick<Weather>([
            {},
            { jitterMs: 200 },
            { bytesPerSecond: 64 << 10 },
            { pieceBytes: 1 },
            { pieceBytes: 200 + random.below(1_000), jitterMs: 2 },
          ]);
          await readOn(1 + random.below(200));
          assert(network.pieces > pieces);
          const resets = network.resets;
          network.resetAfter = random.below(10_000);
          await until(() => network.resets > resets, "a connection was reset");
        }
      }).finally(() => network.clear());
    });
  }

  await t.step("a black hole for 45 s, without an end of any connection", async () => {
    const options = { flowBrokers: [network.address], patienceMs: 60 * SECOND };
    await countWhile(cluster, options, async ({ readOn }) => {
      const [before, swallowed] = [Deno.memoryUsage().rss, network.swallowed];
      const { accepted } = network;
      network.blackHole = true;
      await pass(45 * SECOND);
      assert(network.swallowed > swallowed);
      assert(network.accepted > accepted, "no request timed out");
      assert(Deno.memoryUsage().rss - before < 200 << 20);
      network.lift();
      await readOn(1_000);
    }).finally(() => network.clear());
  });
});

Deno.test("transactions by chance: the input reads what Java's consumer reads", async (t) => {
  await using cluster = await KafkaCluster.start({
    brokers: 1,
    properties: { "log.cleaner.backoff.ms": 100 },
  });
  for (const seed of SEEDS) {
    for (const compacted of [false, true]) {
      await t.step(`seed ${seed}${compacted ? ", compacted" : ""}`, async () => {
        await compareWithJava(cluster, new Random(seed), { compacted, actions: 400 });
      });
    }
  }
});

Deno.test("a topic is created again with fewer partitions while it is read: the run ends", async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  const { brokers } = cluster;
  const topic = await cluster.createTopic({ partitions: 2 });
  await produce(brokers, topic, [{ value: "0", partition: 0 }, { value: "1", partition: 1 }]);
  await using flow = follow(new KafkaInputConfig({ brokers, topic }));
  await flow.until(2);
  await cluster.admin((admin) => admin.deleteTopics({ topics: [topic] }));
  await recreate(cluster, topic, 1);
  await produce(brokers, topic, Array.from({ length: 5 }, () => ({ value: "new" })));
  const error = await assertRejects(() => flow.until(1_000), StepError);
  assertStringIncludes(error.message, `topic "${topic}" has been deleted while it was being read`);
});

Deno.test("an output accepts nothing for 60 s: memory is bounded, then all arrive", async () => {
  await using cluster = await KafkaCluster.start({ brokers: 1 });
  await blockOutput(cluster, 60 * SECOND);
});

Deno.test("leaders move and a broker is killed by chance", async (t) => {
  await using cluster = await KafkaCluster.start({ brokers: 2 });
  for (const seed of SEEDS) {
    await t.step(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const options = {
        compression: random.pick(CODECS),
        pauseMs: random.pick([5, 200]),
        valueBytes: random.below(1_000),
        partitions: 6,
      };
      await countWhile(cluster, options, async ({ log, inputTopic, outputTopic, readOn }) => {
        for (let move = 0; move < 5; move++) {
          await moveLeaders(cluster, [inputTopic, outputTopic], random);
          await readOn(1 + random.below(1_000));
        }
        await cluster.whole([inputTopic, outputTopic]);
        const broker = random.below(2);
        const errors = errorsIn(log);
        const how = random.pick(["kill", "stop"] as const);
        await cluster[how](broker);
        await readOn(500);
        assertEquals(new Set(await cluster.leaders(inputTopic)), new Set([1 - broker]));
        assert(how === "stop" || errorsIn(log) > errors, "nothing was noticed");
        await cluster.start(broker);
        await cluster.whole([inputTopic, outputTopic]);
      });
    });
  }
});

Deno.test("one broker of two is out of reach: nothing of the other is read twice", async (t) => {
  const networks = [await Network.listen(new Random(1)), await Network.listen(new Random(2))];
  await using _first = networks[0];
  await using _second = networks[1];
  const through = networks.map(({ port }) => port);
  await using cluster = await KafkaCluster.start({ brokers: 2, through });
  networks.forEach((network, n) => network.connect(cluster.behind[n]));
  for (const seed of SEEDS) {
    await t.step(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const options = {
        flowBrokers: networks.map(({ address }) => address),
        inputProperties: { "retry.backoff.ms": 10, "retry.backoff.max.ms": 10 + random.below(200) },
        compression: random.pick(CODECS),
        perSend: 1 + random.below(1_000),
        pauseMs: random.below(400),
        valueBytes: random.below(2_000),
      };
      await countWhile(cluster, options, async ({ readOn }) => {
        for (const network of [random.pick(networks), random.pick(networks)]) {
          const { refused } = network;
          network.refusing = true;
          network.resetAll();
          await pass(1_000 + random.below(3_000));
          assert(network.refused > refused);
          network.refusing = false;
          await readOn(1);
        }
      });
    });
  }
});
