import { assertEquals, assertRejects } from "@std/assert";
import { errorName } from "../../../../src/connectors/kafka/client/errors.ts";
import { ClusterTransactions } from "../../../../src/connectors/kafka/transactions/cluster_transactions.ts";
import { FakeConnection, FakeCoordinator } from "../../../support/kafka/fake_coordinator.ts";

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const NOT_COORDINATOR = 16;

Deno.test("a transaction asks again while its coordinator moves, and not for a topic that is missing", async () => {
  const coordinator = new FakeCoordinator();
  const connection = new FakeConnection(coordinator);
  const cluster = new ClusterTransactions(connection, { timeoutMs: 60_000, patienceMs: 10_000 });
  const transaction = cluster.begin(await cluster.acquire("id"));
  const add = () => transaction.add([{ topic: "t", partition: 0 }]);
  coordinator.requests.length = 0;
  coordinator.troubles.push(NOT_COORDINATOR, UNKNOWN_TOPIC_OR_PARTITION);
  const error = await assertRejects(add);
  assertEquals(errorName(error), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(coordinator.requests, ["AddPartitionsToTxn", "AddPartitionsToTxn"]);
  await add(); // it is there
  await transaction.end("commit");
  assertEquals(coordinator.transactions.get("id")!.ended, ["commit"]);
});
