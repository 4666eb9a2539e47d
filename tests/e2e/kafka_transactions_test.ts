import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KafkaBroker } from "../../src/connectors/kafka/client/kafkajs.ts";
import { evidenceOf } from "../../src/connectors/kafka/transactions/lost.ts";
import { TransactionRefusedError } from "../../src/connectors/kafka/transactions/refused.ts";
import {
  acquire,
  endTransaction,
  Transaction,
} from "../../src/connectors/kafka/transactions/transaction.ts";
import type { Coordinated } from "../../src/connectors/kafka/wire/find_coordinator.ts";
import type { TransactionIdentity } from "../../src/connectors/kafka/wire/init_producer_id.ts";
import { startCli } from "../support/cli.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { openTransactions, untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import {
  oldTransactionsKafka,
  raiseTransactionVersion,
} from "../support/kafka/transaction_versions.ts";
import { connect, type TestConnection, writeIn } from "../support/kafka/transactions.ts";

const TIMEOUT_MS = 60_000;

/** A transaction that a killed process has left open, with one record. */
async function leftOpen(
  broker: string,
  topic: string,
  value: string,
): Promise<TransactionIdentity> {
  const id = `${topic}-${value}`;
  await using child = startCli([broker, topic, id, value], {
    script: "tests/support/kafka/begin_transaction.ts",
  });
  const [line] = await child.stdout.line(/^\{.*\}$/);
  child.kill("SIGKILL");
  const identity = JSON.parse(line);
  return { ...identity, producerId: BigInt(identity.producerId) };
}

/** Begins a transaction in this process, and writes one record in it. */
async function begin(at: TestConnection, id: string, topic: string, value: string) {
  const { connection, persist } = at;
  const identity = await acquire(connection, id, { timeoutMs: TIMEOUT_MS, persist });
  const transaction = new Transaction(connection, identity, persist);
  await writeIn(at, transaction, topic, value);
  return transaction;
}

async function values(brokers: string[], topic: string): Promise<(string | null)[]> {
  return (await readAll(brokers, topic)).map(({ value }) => value);
}

/** The name of the error with which a commit by identity is refused. */
async function refusal(
  { connection, persist }: TestConnection,
  identity: TransactionIdentity,
): Promise<string> {
  const error = await assertRejects(
    () => endTransaction(connection, identity, "commit", persist),
    TransactionRefusedError,
  );
  return error.type;
}

Deno.test("transactions of a killed process are committed by identity, or aborted by taking over", async (t) => {
  const brokers = await oldTransactionsKafka();
  for (const version of [0, 1, 2] as const) {
    if (version > 0) await raiseTransactionVersion(brokers, version as 1 | 2);
    const topic = await createTopic(brokers);
    await using at = connect(brokers, [topic]);
    const { connection, persist } = at;

    await t.step(
      `transaction.version ${version}: commit after the process is gone, twice`,
      async () => {
        const identity = await leftOpen(brokers[0], topic, "committed");
        assertEquals((await openTransactions(brokers, topic)).map((each) => each.producerEpoch), [
          0,
        ]);
        await endTransaction(connection, identity, "commit", persist);
        await endTransaction(connection, identity, "commit", persist); // as if its answer was lost
        assertEquals(await values(brokers, topic), ["committed"]);
      },
    );

    await t.step(`transaction.version ${version}: abort by taking over the id`, async () => {
      const identity = await leftOpen(brokers[0], topic, "aborted");
      const { transactionalId } = identity;
      const next = await begin(at, transactionalId, topic, "next");
      assertEquals(await refusal(at, identity), "PRODUCER_FENCED");
      assertEquals(next.identity.producerId, identity.producerId);
      await next.end("commit");
      assertEquals(await values(brokers, topic), ["committed", "next"]);
    });

    await t.step(
      `transaction.version ${version}: what a refused commit is answered with`,
      async () => {
        const aborted = await begin(at, `${topic}-aborted-1`, topic, "lost");
        await aborted.end("abort");
        assertEquals(await refusal(at, aborted.identity), "INVALID_TXN_STATE");
        await endTransaction(connection, aborted.identity, "abort", persist); // may be repeated

        const id = `${topic}-empty`;
        const empty = await acquire(connection, id, { timeoutMs: TIMEOUT_MS, persist });
        assertEquals(await refusal(at, empty), "INVALID_TXN_STATE");
        assertEquals(
          await refusal(at, { ...empty, transactionalId: `${id}-unknown` }),
          "INVALID_PRODUCER_ID_MAPPING",
        );

        // Its timeout is over.
        const late = await acquire(connection, `${topic}-late`, { timeoutMs: 100, persist });
        await new Transaction(connection, late, persist).add([{ topic, partition: 0 }]);
        await untilNoneIsOpen(brokers, topic);
        assertEquals(await refusal(at, late), "PRODUCER_FENCED");

        const evidence = (identity: TransactionIdentity) =>
          evidenceOf(connection, identity, persist);
        assertStringIncludes(await evidence(late), "longer than its timeout of 0.1 s");
        assertStringIncludes(await evidence(aborted.identity), "aborted in our name");
        assertStringIncludes(
          await evidence({ ...empty, transactionalId: `${id}-unknown` }),
          "the broker has forgotten",
        );
      },
    );

    await t.step(
      `transaction.version ${version}: an id is continued by who had it last`,
      async () => {
        const id = `${topic}-continued`;
        const first = await begin(at, id, topic, "first");
        await first.end("commit");
        const options = { timeoutMs: TIMEOUT_MS, continues: first.identity, persist };
        const second = await acquire(connection, id, options);
        assertEquals(second.producerEpoch, first.identity.producerEpoch + 1);
        assertEquals(await acquire(connection, id, options), second); // as if its answer was lost
        assertEquals(await refusal(at, first.identity), "PRODUCER_FENCED");
        assertStringIncludes(
          await evidenceOf(connection, first.identity, persist),
          "the transactional id has been used since",
        );

        await acquire(connection, id, { timeoutMs: TIMEOUT_MS, persist }); // by another run
        const error = await assertRejects(
          () => acquire(connection, id, { ...options, continues: second }),
          TransactionRefusedError,
        );
        assertStringIncludes(
          error.message,
          `another producer has taken over the transactional id "${id}"`,
        );
      },
    );
  }
});

/** The position of a group in partition 0 of a topic; "-1" for none. */
async function groupPosition(brokers: string[], groupId: string, topic: string): Promise<string> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return partitions[0].offset;
  } finally {
    await admin.disconnect();
  }
}

Deno.test("a group's positions are committed with the transaction, also while the group has members", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  // KafkaJS's consumer replaces a position at which there is no record.
  await produce(brokers, topic, Array.from({ length: 10 }, (_, i) => ({ value: `${i}` })));
  await using at = connect(brokers, [topic]);
  const { connection, persist } = at;
  const groupId = `${topic}-readers`;
  const commit = async (offset: bigint, how: "commit" | "abort") => {
    const identity = await acquire(connection, topic, { timeoutMs: TIMEOUT_MS, persist });
    const transaction = new Transaction(connection, identity, persist);
    await transaction.commitOffsets(groupId, [{ topic, partition: 0, offset }]);
    await transaction.end(how);
    await untilNoneIsOpen(brokers, topic);
    return await groupPosition(brokers, groupId, topic);
  };
  assertEquals(await commit(5n, "abort"), "-1");
  assertEquals(await commit(7n, "commit"), "7");

  const consumer = kafkaClient(brokers).consumer({ groupId });
  await consumer.connect();
  try {
    const joined = Promise.withResolvers<void>();
    consumer.on(consumer.events.GROUP_JOIN, () => joined.resolve());
    await consumer.subscribe({ topic });
    await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
    await joined.promise;
    assertEquals(await commit(8n, "abort"), "7");
    assertEquals(await commit(9n, "commit"), "9");
  } finally {
    await consumer.disconnect();
  }
});

Deno.test("every version of the requests that we write is what a broker expects", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  await using at = connect(brokers, [topic]);
  const { persist } = at;
  for (const newest of [0, 1, 2, 3]) {
    const broker = async (nodeId: number) => {
      const { versions, connectionPool } = await at.connection.broker(nodeId);
      const known = { minVersion: 0, maxVersion: newest };
      const older = { ...versions, 22: known, 24: known, 25: known, 26: known, 28: known };
      return { versions: older, connectionPool } as unknown as KafkaBroker;
    };
    const connection = {
      broker,
      coordinatorId: (of: Coordinated) => at.connection.coordinatorId(of),
    };
    const id = `${topic}-${newest}`;
    const identity = await acquire(connection, id, { timeoutMs: TIMEOUT_MS, persist });
    const transaction = new Transaction(connection, identity, persist);
    await writeIn(at, transaction, topic, `version ${newest}`);
    await transaction.commitOffsets(id, [{ topic, partition: 0, offset: 11n }]);
    await transaction.end("commit");
    await untilNoneIsOpen(brokers, id);
    assertEquals(await groupPosition(brokers, id, topic), "11");
  }
  assertEquals(await values(brokers, topic), [0, 1, 2, 3].map((version) => `version ${version}`));
});

Deno.test("a transaction's timeout above the broker's limit is refused with the broker's setting", async () => {
  const brokers = await kafkaBrokers();
  await using at = connect(brokers, []);
  const { connection, persist } = at;
  const error = await assertRejects(
    () => acquire(connection, "too-long", { timeoutMs: 3_600_000, persist }),
    TransactionRefusedError,
  );
  assertEquals(
    error.message,
    "the broker does not allow transactions of 3600 s: raise its transaction.max.timeout.ms, or give " +
      'a smaller "transaction.timeout.ms"',
  );
});
