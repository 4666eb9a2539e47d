/**
 * Runs that end between the store's commit and Kafka's, on a real broker. The next run commits what
 * the store has, or tells its loss.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Dataflow,
  KafkaInputConfig,
  KafkaOutputConfig,
  run,
  StepError,
  TestingInputConfig,
} from "millrace";
import { acquire, endTransaction } from "../../src/connectors/kafka/transactions/transaction.ts";
import type { TransactionIdentity } from "../../src/connectors/kafka/wire/init_producer_id.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { openTransactions, untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import { connect } from "../support/kafka/transactions.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";

/** A flow with two outputs, and the store that it keeps its state in. */
async function setUp() {
  const brokers = await kafkaBrokers();
  const topics = [await createTopic(brokers), await createTopic(brokers)];
  const items: string[] = [];
  const recovery = new WatchedRecovery();
  const start = (acceptLostEpoch?: number) => {
    const [first, second] = topics.map((topic) =>
      new KafkaOutputConfig({
        brokers,
        topic,
        delivery: "exactly-once",
        ...acceptLostEpoch === undefined ? {} : { acceptLostEpoch },
        additionalProperties: { "transactional.id": topics[0] },
      })
    );
    const values = new Dataflow("healed").input("in", new TestingInputConfig(items))
      .map((value) => [null, value] as [null, string]);
    values.capture("first", first);
    return run(values.capture("second", second), { recovery });
  };
  return {
    brokers,
    topics,
    recovery,
    /** Runs with more items. */
    run: async (more: readonly string[], acceptLostEpoch?: number) => {
      items.push(...more);
      await start(acceptLostEpoch);
    },
    /** Runs, and ends as soon as the store has the first epoch, or the next one. */
    runUntilStored: async (more: readonly string[]) => {
      items.push(...more);
      const before = recovery.epoch ?? -1;
      recovery.onCommit = () => {
        if (recovery.epoch! > before) throw new Error("killed");
      };
      await assertRejects(() => start(), Error, "killed");
      recovery.onCommit = () => {};
    },
    open: () => openTransactions(brokers, topics[0]),
    visible: async (topic: string) => (await readAll(brokers, topic)).map(({ value }) => value),
  };
}

Deno.test("what the store has is committed by the next run, for each output", async () => {
  const { brokers, topics, recovery, run, runUntilStored, open, visible } = await setUp();
  await runUntilStored(["a", "b"]);
  assertEquals((await open()).map(({ state }) => state), ["Ongoing", "Ongoing"]);
  assertEquals(await visible(topics[0]), []);
  await run(["c"]);
  for (const topic of topics) assertEquals(await visible(topic), ["a", "b", "c"]);
  await untilNoneIsOpen(brokers, topics[0]);
  // After a clean end nothing is unfinished, and the next run uses the same ids.
  for (const step of ["first", "second"]) {
    const names = Object.keys(recovery.positionsOf(step));
    assertEquals(names.map((name) => name.replace(/[0-9a-f]{8}$/, "")), [`ids:${topics[0]}.`]);
  }
});

Deno.test("output that the broker has dropped is refused, until the user does without it", async () => {
  const { brokers, topics, recovery, run, runUntilStored, visible } = await setUp();
  await runUntilStored(["a"]);
  // As after a timeout: somebody else has aborted the transaction of the first output.
  const name = Object.keys(recovery.positionsOf("first")).find((name) => name.includes("open:"))!;
  {
    await using at = connect(brokers, []);
    const options = { timeoutMs: 60_000, persist: at.persist };
    await acquire(at.connection, name.replace("unfinished:open:", ""), options);
  }
  const error = await assertRejects(() => run(["b"]), StepError) as StepError;
  assertEquals(error.stepId, "first");
  const lost = `the output of epoch 0 to topic "${topics[0]}" cannot be committed any more`;
  assertStringIncludes(error.message, lost);
  assertStringIncludes(error.message, "if the store is an older copy");
  assertStringIncludes(error.message, "acceptLostEpoch: 0");
  await run([], 0);
  assertEquals(await visible(topics[0]), ["b"]);
  assertEquals(await visible(topics[1]), ["a", "b"]);
  await untilNoneIsOpen(brokers, topics[0]);
});

Deno.test("a group's positions are committed with the output that they belong to", async () => {
  const brokers = await kafkaBrokers();
  const [from, to] = [await createTopic(brokers), await createTopic(brokers)];
  await produce(brokers, from, ["a", "b", "c"].map((value) => ({ value })));
  const groupId = `group-${from}`;
  const flow = new Dataflow("grouped")
    .input(
      "in",
      new KafkaInputConfig({
        brokers,
        topic: from,
        tail: false,
        additionalProperties: { "group.id": groupId },
      }),
    )
    .capture(
      "out",
      new KafkaOutputConfig({
        brokers,
        topic: to,
        delivery: "exactly-once",
        additionalProperties: { "transactional.id": to },
      }),
    );
  const committed = async () => {
    const admin = kafkaClient(brokers).admin();
    await admin.connect();
    try {
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [from] });
      return partitions.map(({ offset }) => offset).join();
    } finally {
      await admin.disconnect();
    }
  };
  const recovery = new WatchedRecovery();
  recovery.onCommit = () => {
    if (recovery.epoch === 0) throw new Error("killed");
  };
  await assertRejects(() => run(flow, { recovery }), Error, "killed");
  assertEquals((await openTransactions(brokers, to)).length, 1);
  assertEquals(await committed() === "3", false); // they wait for the transaction
  // As the next run does first: the output of the epoch, and its positions.
  const [[, state]] = Object.entries(recovery.positionsOf("out"))
    .filter(([name]) => name.includes("open:"));
  {
    await using at = connect(brokers, []);
    await endTransaction(at.connection, state as TransactionIdentity, "commit", at.persist);
  }
  await untilNoneIsOpen(brokers, to);
  assertEquals(await committed(), "3");
  recovery.onCommit = () => {};
  await run(flow, { recovery });
  assertEquals(await committed(), "3");
  assertEquals((await readAll(brokers, to)).map(({ value }) => value), ["a", "b", "c"]);
});
