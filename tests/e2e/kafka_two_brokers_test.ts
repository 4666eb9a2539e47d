import { assert, assertEquals } from "@std/assert";
import { CompressionTypes } from "kafkajs";
import { countWhile, errorsIn } from "../faults/counting.ts";
import { moveLeaders } from "../faults/leaders.ts";
import { Network } from "../faults/network.ts";
import { KafkaCluster } from "../support/kafka_cluster.ts";
import { Random } from "../support/random.ts";

Deno.test("Kafka with two brokers, to which things happen", async (t) => {
  const random = new Random(18);
  await using first = await Network.listen(random);
  await using second = await Network.listen(random);
  const through = [first.port, second.port];
  await using cluster = await KafkaCluster.start({ brokers: 2, through });
  first.connect(cluster.behind[0]);
  second.connect(cluster.behind[1]);

  await t.step("leaders move, then one is killed: each record is counted once", async () => {
    const options = { compression: CompressionTypes.GZIP, valueBytes: 200 };
    await countWhile(cluster, options, async ({ log, inputTopic, outputTopic, readOn }) => {
      for (let move = 0; move < 4; move++) {
        await moveLeaders(cluster, [inputTopic, outputTopic], random);
        await readOn(500);
      }
      await cluster.whole([inputTopic, outputTopic]);
      const errors = errorsIn(log);
      await cluster.kill(0);
      await readOn(1_000); // from the other
      assertEquals(new Set(await cluster.leaders(inputTopic)), new Set([1]));
      assert(errorsIn(log) > errors, "nothing was noticed of the kill");
      await cluster.start(0);
      await cluster.whole([inputTopic, outputTopic]);
    });
  });

  await t.step("one is out of reach: nothing of the other is read twice meanwhile", async () => {
    const options = {
      flowBrokers: [second.address],
      // The end of an epoch would wait for the broker, and hold up the input.
      epochMs: 60_000,
      inputProperties: { "retry.backoff.ms": 10, "retry.backoff.max.ms": 20 },
      // Fetches must wait for records, and those take a moment to unpack.
      compression: CompressionTypes.GZIP,
      perSend: 500,
      pauseMs: 220,
      valueBytes: 1_000,
    };
    await countWhile(cluster, options, async ({ readOn }) => {
      first.refusing = true;
      first.resetAll();
      await readOn(3_000);
      assert(first.refused > 10, `it tried ${first.refused} times`);
      first.refusing = false;
      await readOn(3_000);
    });
  });
});
