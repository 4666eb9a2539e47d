import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Persist, persist } from "../../../../src/connectors/kafka/transactions/persist.ts";
import { TopicDeletedError } from "../../../../src/connectors/kafka/client/deleted_topic.ts";
import { TransactionRefusedError } from "../../../../src/connectors/kafka/transactions/refused.ts";
import {
  acquire,
  endTransaction,
  GroupAwayError,
  Transaction,
} from "../../../../src/connectors/kafka/transactions/transaction.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import type { TransactionIdentity } from "../../../../src/connectors/kafka/wire/init_producer_id.ts";
import {
  FakeConnection,
  FakeCoordinator,
  type Trouble,
} from "../../../support/kafka/fake_coordinator.ts";

const ID = "id";
const TIMEOUT_MS = 60_000;
const PARTITIONS = [{ topic: "t", partition: 0 }, { topic: "t", partition: 1 }];

/** A coordinator with a connection to it. */
function setUp(age?: "old") {
  const coordinator = new FakeCoordinator(age);
  const connection = new FakeConnection(coordinator);
  const retry: Persist = (work) => persist(connection, 10_000, work);
  return {
    coordinator,
    connection,
    persist: retry,
    acquire: (continues?: TransactionIdentity) =>
      acquire(connection, ID, {
        timeoutMs: TIMEOUT_MS,
        persist: retry,
        ...continues === undefined ? {} : { continues },
      }),
    begin: async (identity: TransactionIdentity) => {
      const transaction = new Transaction(connection, identity, retry);
      await transaction.add(PARTITIONS);
      return transaction;
    },
    commit: (identity: TransactionIdentity) =>
      endTransaction(connection, identity, "commit", retry),
  };
}

/** The name of the error with which something is refused. */
async function refusal(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, TransactionRefusedError)).type;
}

Deno.test("a transaction without partitions is empty, and its end sends nothing", async () => {
  const { coordinator, connection, persist, acquire } = setUp();
  const transaction = new Transaction(connection, await acquire(), persist);
  assertEquals(transaction.isEmpty, true);
  await transaction.add([]);
  await transaction.end("commit");
  await transaction.end("abort");
  assertEquals(transaction.isEmpty, true);
  assertEquals(coordinator.requests, ["InitProducerId"]);
});

Deno.test("each partition is added once a transaction", async () => {
  const { coordinator, acquire, begin } = setUp();
  const transaction = await begin(await acquire());
  assertEquals(transaction.isEmpty, false);
  await transaction.add(PARTITIONS);
  await transaction.add([...PARTITIONS, { topic: "t", partition: 2 }]);
  assertEquals(coordinator.transactions.get(ID)!.partitions, ["t-0", "t-1", "t-2"]);
  await transaction.end("commit");
  assertEquals(transaction.isEmpty, true);
  await transaction.add(PARTITIONS);
  await transaction.end("abort");
  assertEquals(coordinator.transactions.get(ID)!.ended, ["commit", "abort"]);
  assertEquals(coordinator.requests, [
    "InitProducerId",
    ...["AddPartitionsToTxn", "AddPartitionsToTxn", "EndTxn"],
    ...["AddPartitionsToTxn", "EndTxn"],
  ]);
});

for (const trouble of ["lost", "unsent", 14, 15, 16, 51] as const) {
  Deno.test(`every request is repeated after trouble: ${trouble}`, async () => {
    const { coordinator, acquire, begin } = setUp();
    coordinator.troubles.push(trouble, null, trouble, null, trouble, null);
    const transaction = await begin(await acquire());
    await transaction.end("commit");
    assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"]);
    assertEquals(coordinator.requests, [
      ...["InitProducerId", "InitProducerId"],
      ...["AddPartitionsToTxn", "AddPartitionsToTxn"],
      ...["EndTxn", "EndTxn"],
    ]);
  });
}

for (const how of ["commit", "abort"] as const) {
  Deno.test(`an end by ${how} happens once, though its answers are lost`, async () => {
    const { coordinator, acquire, begin } = setUp();
    const transaction = await begin(await acquire());
    coordinator.troubles.push("lost", "lost");
    await transaction.end(how);
    assertEquals(coordinator.transactions.get(ID)!.ended, [how]);
  });
}

Deno.test("a coordinator that has moved is found, and asked from then on", async () => {
  const before = new FakeCoordinator();
  const after = new FakeCoordinator();
  const connection = new FakeConnection(before, after);
  connection.found.push(0, 1);
  before.troubles.push(16);
  const retry: Persist = (work) => persist(connection, 10_000, work);
  const identity = await acquire(connection, ID, { timeoutMs: TIMEOUT_MS, persist: retry });
  const transaction = new Transaction(connection, identity, retry);
  await transaction.add(PARTITIONS);
  await transaction.end("commit");
  assertEquals(before.requests, ["InitProducerId"]);
  assertEquals(after.requests, ["InitProducerId", "AddPartitionsToTxn", "EndTxn"]);
  assertEquals(connection.lookups, 3); // once by `acquire`, again after the error, once by `add`
});

Deno.test("a coordinator that is busy is asked again, without a new connection", async () => {
  const { coordinator, connection, acquire, begin } = setUp();
  const transaction = await begin(await acquire());
  const lookups = connection.lookups;
  coordinator.troubles.push(51, 51);
  await transaction.end("commit");
  assertEquals([connection.lookups, connection.drops], [lookups, 0]);
});

Deno.test("a stored identity is committed by another process, as often as it asks", async () => {
  const { coordinator, acquire, begin, commit } = setUp();
  const { identity } = await begin(await acquire());
  await commit(identity);
  await commit(identity);
  assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"]);
});

for (const [age, fenced] of [["new", "PRODUCER_FENCED"], ["old", "INVALID_PRODUCER_EPOCH"]]) {
  Deno.test(`a stored identity that is over is refused (a broker with ${age} versions)`, async () => {
    const { coordinator, acquire, begin, commit } = setUp(age === "old" ? "old" : undefined);
    const taken = await acquire();
    await begin(taken);
    await commit(taken);
    const next = await acquire(); // by another producer
    assertEquals(await refusal(() => commit(taken)), fenced);
    assertEquals(await refusal(() => commit(next)), "INVALID_TXN_STATE"); // empty

    await begin(next);
    coordinator.timeOut(ID);
    assertEquals(await refusal(() => commit(next)), fenced);

    const aborted = await begin(await acquire());
    await aborted.end("abort");
    assertEquals(await refusal(() => commit(aborted.identity)), "INVALID_TXN_STATE");

    coordinator.forget(ID);
    assertEquals(await refusal(() => commit(aborted.identity)), "INVALID_PRODUCER_ID_MAPPING");
  });
}

Deno.test("taking an id over aborts what is open, and fences who had it", async () => {
  const { coordinator, acquire, begin } = setUp();
  const zombie = await begin(await acquire());
  const { producerEpoch } = await acquire();
  assertEquals(producerEpoch, 2); // one to fence, one for us
  assertEquals(coordinator.transactions.get(ID)!.ended, ["abort"]);
  const error = await assertRejects(
    () => zombie.add([{ topic: "t", partition: 7 }]),
    TransactionRefusedError,
  );
  assertEquals(
    error.message,
    'another producer has taken over the transactional id "id", or the transaction was open for ' +
      "longer than its timeout",
  );
});

Deno.test("an id that is continued is not taken from another producer", async () => {
  const { coordinator, acquire } = setUp();
  const first = await acquire();
  coordinator.troubles.push("lost");
  const second = await acquire(first);
  assertEquals(second.producerEpoch, first.producerEpoch + 1); // though it was asked twice
  await acquire(); // by another producer
  const error = await assertRejects(() => acquire(second), TransactionRefusedError);
  assertStringIncludes(error.message, 'has taken over the transactional id "id"');
  assertEquals(error.type, "PRODUCER_FENCED");
});

Deno.test("an id whose new epoch was not answered is acquired from a coordinator that has restarted", async () => {
  for (
    const troubles of [["lost"], ["lost", null, "unsent"], [
      "lost",
      "unsent",
    ]] as (Trouble | null)[][]
  ) {
    const { coordinator, connection, acquire } = setUp();
    const first = await acquire();
    coordinator.troubles.push(...troubles); // the first answer, and one of those after it
    connection.onPause = () => coordinator.restart();
    const second = await acquire(first);
    assertEquals(second.producerEpoch, first.producerEpoch + 2);
    assertEquals(coordinator.transactions.get(ID)!.epoch, second.producerEpoch);
  }
});

Deno.test("an id is refused by a broker that does not tell who has it", async () => {
  for (const code of [29, 35, 53]) { // it denies it, or is too old
    const { coordinator, connection, acquire } = setUp();
    const first = await acquire();
    coordinator.troubles.push("lost", null, code);
    connection.onPause = () => coordinator.restart();
    const error = await assertRejects(() => acquire(first), TransactionRefusedError);
    assertEquals(error.type, "PRODUCER_FENCED");
  }
});

Deno.test("an id that another producer has acquired is refused, answered or not", async () => {
  // Whether the other one has used it, or acquired it twice; and whether a request was lost before.
  for (const other of ["uses it", "acquires it twice"]) {
    for (const trouble of [null, "unsent"] as const) {
      const { coordinator, acquire, begin } = setUp();
      const first = await acquire();
      const taken = await acquire();
      await (other === "uses it" ? begin(taken) : acquire());
      coordinator.troubles.push(trouble);
      await assertRejects(() => acquire(first), TransactionRefusedError);
      const state = other === "uses it" ? "Ongoing" : "Empty";
      assertEquals(coordinator.transactions.get(ID)!.state, state);
    }
  }
});

Deno.test("a group is added once a transaction, and its positions are asked for again after trouble", async () => {
  for (const trouble of ["lost", "unsent", 14, 15, 16, 51] as const) {
    const { coordinator, connection, acquire, persist } = setUp();
    const transaction = new Transaction(connection, await acquire(), persist);
    await transaction.commitOffsets("g", []);
    assertEquals(transaction.isEmpty, true);
    coordinator.troubles.push(trouble, null, trouble, null);
    await transaction.commitOffsets("g", [{ topic: "in", partition: 0, offset: 5n }]);
    await transaction.commitOffsets("g", [{ topic: "in", partition: 0, offset: 6n }]);
    assertEquals(transaction.isEmpty, false);
    await transaction.end("commit");
    assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"]);
    const repeated = trouble === "lost" ? ["g in-0 5"] : [];
    assertEquals(coordinator.offsets, [...repeated, "g in-0 5", "g in-0 6"]);
    assertEquals(coordinator.requests, [
      "InitProducerId",
      ...["AddOffsetsToTxn", "AddOffsetsToTxn"],
      ...["TxnOffsetCommit", "TxnOffsetCommit", "TxnOffsetCommit"],
      "EndTxn",
    ]);
    await transaction.commitOffsets("g", [{ topic: "in", partition: 0, offset: 7n }]);
    assertEquals(coordinator.requests.at(-2), "AddOffsetsToTxn"); // to the next transaction
  }
});

Deno.test("a group that is refused is refused at once, and the transaction can still be committed", async () => {
  for (const code of [22, 24, 25, 30, 69]) {
    const { coordinator, connection, acquire, begin } = setUp();
    const transaction = await begin(await acquire());
    coordinator.troubles.push(null, code);
    const error = await assertRejects(() =>
      transaction.commitOffsets("g", [{ topic: "in", partition: 0, offset: 5n }])
    );
    assertEquals((error as { type?: string }).type, errorOfCode(code).type);
    assertEquals(connection.drops, 0); // nothing is asked twice
    await transaction.end("commit");
    assertEquals(coordinator.transactions.get(ID)!.ended, ["commit"]);
    assertEquals(coordinator.offsets, []);
  }
});

Deno.test("a group whose coordinator is away is not added, and the transaction can still be committed", async () => {
  const { coordinator, connection, acquire } = setUp();
  const patience: number[] = [];
  const retry: Persist = (work, patienceMs = 10_000) => {
    patience.push(patienceMs);
    return persist(connection, 0, work);
  };
  const transaction = new Transaction(connection, await acquire(), retry);
  await transaction.add(PARTITIONS);
  const found = connection.coordinatorId.bind(connection);
  connection.coordinatorId = (of) =>
    of.kind === "group" ? Promise.reject(errorOfCode(15)) : found(of);
  const commit = () => transaction.commitOffsets("g", [{ topic: "in", partition: 0, offset: 5n }]);
  const error = await assertRejects(commit, GroupAwayError);
  assertStringIncludes(error.message, 'the coordinator of group "g" is away');
  assertEquals(patience, [10_000, 3_000]);
  connection.coordinatorId = found; // it is back
  await commit();
  await transaction.end("commit");
  assertEquals(coordinator.requests, [
    ...["InitProducerId", "AddPartitionsToTxn"],
    ...["AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"],
  ]);
});

Deno.test("an id that the broker has forgotten meanwhile is an error that names its setting", async () => {
  const { coordinator, acquire, begin } = setUp();
  const identity = await acquire();
  coordinator.forget(ID); // nothing was written for a week
  const error = await assertRejects(() => begin(identity), TransactionRefusedError);
  assertEquals(error.type, "INVALID_PRODUCER_ID_MAPPING");
  assertStringIncludes(error.message, "transactional.id.expiration.ms");
});

Deno.test("an abort after partitions that were perhaps never added ends quietly", async () => {
  for (const trouble of ["lost", "unsent"] as const) {
    const { coordinator, connection, acquire, persist } = setUp();
    const transaction = new Transaction(connection, await acquire(), persist);
    coordinator.troubles.push(trouble);
    connection.isEnded = true; // so it is not tried again
    await assertRejects(() => transaction.add(PARTITIONS), Error, "the connection was closed");
    connection.isEnded = false;
    assertEquals(transaction.isEmpty, false);
    await transaction.end("abort");
    assertEquals(coordinator.transactions.get(ID)!.ended, trouble === "lost" ? ["abort"] : []);
  }
});

Deno.test("a commit that is refused is an error, and the transaction is not over", async () => {
  const { coordinator, acquire, begin } = setUp();
  const transaction = await begin(await acquire());
  coordinator.timeOut(ID);
  assertEquals(await refusal(() => transaction.end("commit")), "PRODUCER_FENCED");
  assertEquals(transaction.isEmpty, false);
});

for (
  const [code, type, message] of [
    [
      53,
      "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
      "allow Describe and Write on the transactional id",
    ],
    [
      50,
      "INVALID_TRANSACTION_TIMEOUT",
      "transactions of 60 s: raise its transaction.max.timeout.ms",
    ],
  ] as const
) {
  Deno.test(`an id that is refused with ${type} tells the cure, and is not asked for again`, async () => {
    const { coordinator, acquire } = setUp();
    coordinator.troubles.push(code);
    const error = await assertRejects(() => acquire(), TransactionRefusedError);
    assertEquals(error.type, type);
    assertStringIncludes(error.message, message);
    assertEquals(coordinator.requests, ["InitProducerId"]);
  });
}

Deno.test("a topic that brokers do not know is named, and counts as deleted after 10 s", async () => {
  const { now } = performance;
  let ms = 0;
  performance.now = () => ms;
  try {
    const { coordinator, connection, acquire } = setUp();
    const named: unknown[] = [];
    const noting: Persist = (work) =>
      persist(connection, 60_000, () =>
        work().catch((error) => {
          named.push(error.topic);
          throw error;
        }));
    connection.onPause = () => void (ms += 1_000);
    const transaction = new Transaction(connection, await acquire(), noting);
    coordinator.troubles.push(...Array(8).fill(3), null);
    await transaction.add(PARTITIONS); // it was only late
    coordinator.troubles.push(...Array(30).fill(3));
    const added = [{ topic: "gone", partition: 0 }];
    const error = await assertRejects(() => transaction.add(added), TopicDeletedError);
    assertEquals([error.topic, ms], ["gone", 18_000]);
    assertEquals(new Set(named), new Set(["t", "gone"]));
    assertStringIncludes(error.message, `topic "gone" has been deleted`);
  } finally {
    performance.now = now;
  }
});
