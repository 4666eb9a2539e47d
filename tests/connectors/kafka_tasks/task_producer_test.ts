import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import { explainCommit } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import { TaskProducer } from "../../../src/connectors/kafka_tasks/task_producer.ts";
import { silentLog } from "../../../src/core/log.ts";
import { FencedError } from "../../../src/group/log.ts";
import { MembershipLostError } from "../../../src/group/membership.ts";
import {
  FakeConnection,
  FakeCoordinator,
  type Trouble,
} from "../../support/kafka/fake_coordinator.ts";

const ID = "app-member";
const OFFSETS = [{ topic: "orders", partition: 1, offset: 7n }];

async function setUp() {
  const coordinator = new FakeCoordinator();
  const connection = new FakeConnection(coordinator);
  const producer = await TaskProducer.open({
    transactionalId: ID,
    timeoutMs: 10_000,
    connection: connection as unknown as KafkaConnection,
    log: silentLog,
  });
  const events: string[] = [];
  const member = () => {
    events.push("asked");
    return Promise.resolve({
      memberId: "member",
      epoch: 3,
      instanceId: null,
      [Symbol.dispose]: () => void events.push(`given up after ${coordinator.requests.at(-1)}`),
    });
  };
  const commit = (troubles: readonly (Trouble | null)[] = []) => {
    coordinator.troubles.push(...troubles);
    return producer.commit({ batches: [], groupId: "app.1", offsets: OFFSETS, member });
  };
  return { coordinator, connection, producer, events, commit };
}

Deno.test("the committer is held until the group has the positions, and not for longer", async () => {
  const { coordinator, events, commit } = await setUp();
  await commit();
  assertEquals(coordinator.requests.slice(1), ["AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"]);
  assertEquals(events, ["asked", "given up after TxnOffsetCommit"]);
  assertEquals(coordinator.offsets, ["app.1 orders-1 7"]);
  await commit();
  assertEquals(coordinator.transactions.get(ID)!.ended, ["commit", "commit"]);
});

Deno.test("a coordinator that is busy, or whose answers are lost, is asked again", async () => {
  for (const trouble of [51, 14, 16, "lost", "unsent"] as const) {
    for (let at = 0; at < 3; at++) {
      const { coordinator, commit } = await setUp();
      await commit([...Array(at).fill(null), trouble]);
      assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"], `${trouble} at ${at}`);
    }
  }
});

for (const code of [22, 25, 47, 48, 49, 59, 82, 90, 110, 113, 120]) {
  Deno.test(`nothing is committed if the positions are refused with code ${code}`, async () => {
    const { coordinator, producer, events, commit } = await setUp();
    const error = await assertRejects(() => commit([null, code]));
    const explained = explainCommit(error, "app");
    assertEquals(explained instanceof FencedError, true, String(explained));
    assertStringIncludes((explained as Error).message, `may not commit for "app"`);
    assertEquals(events.length, 2); // it has been given up
    await assertRejects(() => commit(), Error, "an earlier commit has failed");
    assertEquals(coordinator.transactions.get(ID)!.ended, ["abort"]);
    await producer.close();
  });
}

Deno.test("a member that has lost its tasks, and a permission, are errors of their own", async () => {
  const lost = explainCommit(new MembershipLostError("it has left"), "app");
  assertEquals(lost instanceof FencedError, true);
  const { commit } = await setUp();
  const denied = await assertRejects(() => commit([30]));
  const explained = explainCommit(denied, "app") as Error;
  assertEquals(explained.name, "TaskLogError");
  assertStringIncludes(explained.message, "allow Read on the groups");
  const { commit: another } = await setUp();
  const large = await assertRejects(() => another([null, 12]));
  assertStringIncludes(String(explainCommit(large, "app")), "offset.metadata.max.bytes");
  const other = new Error("anything else");
  assertEquals(explainCommit(other, "app"), other);
});

Deno.test("another process with the id fences the producer, which cannot abort either", async () => {
  const { coordinator, connection, producer, commit } = await setUp();
  const next = await TaskProducer.open({
    transactionalId: ID,
    timeoutMs: 10_000,
    connection: connection as unknown as KafkaConnection,
    log: silentLog,
  });
  const error = await assertRejects(() => commit());
  assertEquals(explainCommit(error, "app") instanceof FencedError, true);
  await producer.close();
  await next.commit({ batches: [], groupId: "app.1", offsets: OFFSETS, member: null });
  assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"]);
});

Deno.test("a start without brokers fails with their names, or waits for as long as it takes", async () => {
  const { now } = performance;
  let ms = 0;
  performance.now = () => ms;
  try {
    const coordinator = new FakeCoordinator();
    const connection = new FakeConnection(coordinator);
    connection.onPause = () => void (ms += 1_000);
    const open = (openingMs?: number) =>
      TaskProducer.open({
        transactionalId: ID,
        timeoutMs: 10_000,
        connection: connection as unknown as KafkaConnection,
        log: silentLog,
        ...openingMs === undefined ? {} : { openingMs },
      });
    coordinator.troubles.push(...Array(11).fill("unsent"));
    await assertRejects(() => open(), Error, "no broker in reach at fake:1 within 10000 ms");
    assertEquals(coordinator.troubles, []);
    coordinator.troubles.push(...Array(500).fill("unsent"));
    const producer = await open(Infinity);
    assertEquals(ms, 510_000);
    coordinator.troubles.push(...Array(61).fill("unsent"));
    const member = null;
    await assertRejects(
      () => producer.commit({ batches: [], groupId: "app.1", offsets: OFFSETS, member }),
      Error,
      "no broker in reach at fake:1",
    );
  } finally {
    performance.now = now;
  }
});
