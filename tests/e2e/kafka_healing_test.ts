/**
 * Runs that end between the store's commit and Kafka's, on a real broker. The next run commits what
 * the store has, or tells its loss.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Dataflow, KafkaOutputConfig, run, StepError, TestingInputConfig } from "millrace";
import { acquire } from "../../src/connectors/kafka/transactions/transaction.ts";
import { createTopic, kafkaBrokers, readAll } from "../support/kafka/kafka.ts";
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
  assertStringIncludes(error.message, `the output of epoch 0 to topic "${topics[0]}" is lost`);
  assertStringIncludes(error.message, "acceptLostEpoch: 0");
  await run([], 0);
  assertEquals(await visible(topics[0]), ["b"]);
  assertEquals(await visible(topics[1]), ["a", "b"]);
  await untilNoneIsOpen(brokers, topics[0]);
});
