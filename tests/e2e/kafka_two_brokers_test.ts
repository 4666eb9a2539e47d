import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CompressionTypes } from "kafkajs";
import {
  Dataflow,
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaOutputItem,
  run,
  TestingInputConfig,
} from "millrace";
import {
  acquire,
  endTransaction,
  Transaction,
} from "../../src/connectors/kafka/transactions/transaction.ts";
import { countWhile, errorsIn } from "../faults/counting.ts";
import { moveLeaders } from "../faults/leaders.ts";
import { Network } from "../faults/network.ts";
import { eventually } from "../support/eventually.ts";
import { produce, readAll } from "../support/kafka/kafka.ts";
import { KafkaCluster } from "../support/kafka/cluster.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import { asText, follow } from "../support/kafka/reading.ts";
import { connect, writeIn } from "../support/kafka/transactions.ts";
import { Random } from "../support/values/random.ts";
import { recordingLog } from "../support/recording_log.ts";

const valuesOf = (items: readonly KafkaItem[]) => items.map(([, value]) => asText(value));

Deno.test("Kafka with two brokers, under faults", async (t) => {
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
      // The end of an epoch would wait for the broker, and hold back the input.
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

  await t.step(
    "one is down: a flow starts, reads what the other has, and the rest later",
    async () => {
      const topic = `alone-${crypto.randomUUID()}`;
      await cluster.admin(async (admin) => {
        const replicaAssignment = cluster.ids.map((id, partition) => ({
          partition,
          replicas: [id],
        }));
        await admin.createTopics({ topics: [{ topic, replicaAssignment }], waitForLeaders: false });
      });
      const { brokers } = cluster;
      const write = (items: readonly KafkaOutputItem[]) => {
        const input = new Dataflow("write").input("in", new TestingInputConfig([...items]));
        return run(input.capture("out", new KafkaOutputConfig({ brokers, topic })));
      };
      await write([{ value: "0", partition: 0 }, { value: "1", partition: 1 }]);
      await cluster.kill(0);
      const { log, warnings } = recordingLog();
      const input = () => new KafkaInputConfig({ brokers, topic, tail: true });
      await using flow = follow(input(), { log });
      const stopped = recordingLog();
      await using other = follow(input(), { log: stopped.log });
      await flow.until(1);
      await other.until(1);
      await other[Symbol.asyncDispose](); // it stops
      assertEquals(stopped.warnings, ["waiting for broker"]);
      await write([{ value: "2", partition: 1 }]);
      await flow.until(2);
      assertEquals(valuesOf(flow.items), ["1", "2"]);
      assertEquals(warnings, ["waiting for broker"]);
      await cluster.start(0);
      await flow.until(3);
      assertEquals(valuesOf(flow.items), ["1", "2", "0"]);
      await eventually(() => warnings.length > 1, "it said that the broker is back");
      assertEquals(warnings, ["waiting for broker", "broker is back"]);
    },
  );

  await t.step(
    "one of two topics is deleted: the other is read on, and the error names the one",
    async () => {
      const [kept, deleted] = [await cluster.createTopic(), await cluster.createTopic()];
      const { brokers } = cluster;
      await produce(brokers, kept, [{ value: "0" }]);
      const flow = follow(new KafkaInputConfig({ brokers, topic: [kept, deleted] }));
      await flow.until(1);
      await cluster.admin((admin) => admin.deleteTopics({ topics: [deleted] }));
      for (let n = 1; n < 4; n++) {
        await produce(brokers, kept, [{ value: `${n}` }]);
        await flow.until(n + 1);
      }
      const error = await assertRejects(() => flow.until(5), Error);
      assertStringIncludes(error.message, `topic "${deleted}" has been deleted while it was being`);
      assert(!error.message.includes(kept));
    },
  );

  for (const when of ["before", "after"]) {
    await t.step(
      `the coordinator is killed ${when} a commit: the other broker commits by identity, and once`,
      async () => {
        const topic = await cluster.createTopic({ partitions: 2 });
        await using at = connect(cluster.brokers, [topic], 60_000);
        const { connection, persist } = at;
        const identity = await acquire(connection, topic, { timeoutMs: 600_000, persist });
        const transaction = new Transaction(connection, identity, persist);
        for (const partition of [0, 1]) await writeIn(at, transaction, topic, "once", partition);
        await cluster.whole([topic, "__transaction_state"]);
        if (when === "after") await transaction.end("commit");
        const coordinator = { kind: "transaction", id: topic } as const;
        const killed = cluster.ids.indexOf(await connection.coordinatorId(coordinator));
        await cluster.kill(killed);
        await endTransaction(connection, identity, "commit", persist);
        assertEquals(
          cluster.ids.indexOf(await connection.coordinatorId(coordinator)),
          1 - killed,
        );
        await cluster.start(killed);
        await cluster.whole([topic]);
        await untilNoneIsOpen(cluster.brokers, topic);
        const values = (await readAll(cluster.brokers, topic)).map(({ value }) => value);
        assertEquals(values, ["once", "once"]);
      },
    );
  }
});
