/**
 * Exactly-once outputs of one flow in two clusters. One of them is away while an epoch is prepared,
 * or while it is committed. The next run brings both together.
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  Dataflow,
  KafkaOutputConfig,
  MemoryRecoveryConfig,
  run,
  StepError,
  TestingInputConfig,
} from "millrace";
import { type ApiName, FAKE_TOPIC, type FakeBroker } from "../../../support/kafka/fake_broker.ts";
import { type Fate, TransactionLog } from "../../../support/kafka/transaction_log.ts";

/** Runs the flow on both clusters. It ends when an output has waited half a second. */
async function runOn(near: FakeBroker, far: FakeBroker, recovery: MemoryRecoveryConfig) {
  const output = ({ brokers }: FakeBroker) =>
    new KafkaOutputConfig({
      brokers,
      topic: FAKE_TOPIC,
      delivery: "exactly-once",
      additionalProperties: {
        "message.timeout.ms": 500,
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 1,
        "socket.timeout.ms": 100,
      },
    });
  const flow = new Dataflow("two");
  const values = flow.input("in", new TestingInputConfig(["a", "b", "c"]))
    .map((value) => ({ key: "k", value, partition: 0 }));
  values.capture("near", output(near));
  values.capture("far", output(far));
  await run(flow, { recovery });
}

for (
  const { what, api, fate, nearAfter } of [
    { what: "prepared", api: "Produce", fate: "lost", nearAfter: [] },
    { what: "committed", api: "EndTxn", fate: "lost", nearAfter: ["a", "b", "c"] },
    {
      what: "committed, and has done it",
      api: "EndTxn",
      fate: "unanswered",
      nearAfter: ["a", "b", "c"],
    },
  ] as const satisfies readonly { what: string; api: ApiName; fate: Fate; nearAfter: string[] }[]
) {
  Deno.test(`two clusters, one of them away while an epoch is ${what}: the next run brings both together`, async () => {
    const [near, far] = [new TransactionLog(), new TransactionLog()];
    const recovery = new MemoryRecoveryConfig();
    {
      await using nearBroker = near.broker();
      await using farBroker = far.broker((request) => request.api === api ? fate : "answered");
      const error = await assertRejects(() => runOn(nearBroker, farBroker, recovery), StepError);
      assertEquals((error as StepError).stepId, "far");
    }
    assertEquals(near.visible, [nearAfter, []]);
    await using nearBroker = near.broker();
    await using farBroker = far.broker();
    await runOn(nearBroker, farBroker, recovery);
    for (const log of [near, far]) {
      assertEquals([log.visible, log.open], [[["a", "b", "c"], []], []]);
    }
  });
}

Deno.test("two clusters: what one has dropped is named with its step, and the other has its epoch", async () => {
  const [near, far] = [new TransactionLog(), new TransactionLog()];
  const recovery = new MemoryRecoveryConfig();
  {
    await using nearBroker = near.broker();
    await using farBroker = far.broker(({ api }) => api === "EndTxn" ? "lost" : "answered");
    await assertRejects(() => runOn(nearBroker, farBroker, recovery), StepError);
  }
  far.timeOut();
  await using nearBroker = near.broker();
  await using farBroker = far.broker();
  const error = await assertRejects(
    () => runOn(nearBroker, farBroker, recovery),
    StepError,
    "acceptLostEpoch",
  );
  assertEquals((error as StepError).stepId, "far");
  assertEquals([near.visible, far.visible], [[["a", "b", "c"], []], [[], []]]);
});
