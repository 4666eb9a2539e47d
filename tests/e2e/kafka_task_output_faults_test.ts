/** Outputs of a group's tasks while a broker is away, on a real broker. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KafkaOutputConfig, type KafkaOutputItem, type OutputConfig } from "millrace";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { readInputProperties } from "../../src/connectors/kafka/properties/input_settings.ts";
import { persist } from "../../src/connectors/kafka/transactions/persist.ts";
import { TransactionRefusedError } from "../../src/connectors/kafka/transactions/refused.ts";
import { acquire, Transaction } from "../../src/connectors/kafka/transactions/transaction.ts";
import { PendingOutputs } from "../../src/connectors/kafka_tasks/pending_outputs.ts";
import { openTaskOutput } from "../../src/connectors/kafka_tasks/task_output.ts";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, readAll } from "../support/kafka/kafka.ts";
import { openTransactions, untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import { TcpProxy } from "../support/kafka/tcp_proxy.ts";
import { oldTransactionsKafka } from "../support/kafka/transaction_versions.ts";
import { testPlace } from "../support/runtime/test_place.ts";

/** A process with one task, which writes in transactions. */
class Process implements AsyncDisposable {
  readonly outputs: PendingOutputs;
  readonly transaction: Transaction;
  readonly #brokers: string[];
  readonly #connection: KafkaConnection;

  private constructor(brokers: string[], connection: KafkaConnection, transaction: Transaction) {
    this.#brokers = brokers;
    this.#connection = connection;
    this.transaction = transaction;
    this.outputs = new PendingOutputs({ transaction, ...testPlace() });
  }

  static async start(brokers: string[], id: string, timeoutMs: number): Promise<Process> {
    const connection = new KafkaConnection(brokers, [], readInputProperties(), testPlace());
    await connection.open(() => Promise.resolve());
    const patiently = <R>(work: () => Promise<R>) => persist(connection, 20_000, work);
    const identity = await acquire(connection, id, { timeoutMs, persist: patiently });
    return new Process(brokers, connection, new Transaction(connection, identity, patiently));
  }

  /** Writes items, and ends their epoch. */
  async write(topic: string, items: readonly string[]): Promise<void> {
    const config = new KafkaOutputConfig({ brokers: this.#brokers, topic });
    const at = testPlace({ stepId: "out" });
    const transactions = { outputs: this.outputs, waiting: { add: () => {} } };
    const output = config as OutputConfig<unknown>;
    const writer = await openTaskOutput(output, at, new Map(), transactions);
    await writer.write(items.map((item): KafkaOutputItem => [null, item]), 1);
    await writer.prepare(1);
  }

  async commit(): Promise<void> {
    await this.outputs.commit(() => this.transaction.end("commit"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outputs.close();
    await this.#connection.close();
  }
}

const ITEMS = Array.from({ length: 200 }, (_, n) => `item ${n}`);

/** The values that readers of committed records see. */
async function valuesIn(brokers: string[], topic: string): Promise<(string | null)[]> {
  return (await readAll(brokers, topic)).map(({ value }) => value).sort();
}

for (const api of ["addPartitionsToTxn", "produce", "endTxn"] as const) {
  for (const lose of ["request", "response"] as const) {
    Deno.test(`what tasks write is there once, though a broker goes away and the ${lose} to ${api} is lost`, async () => {
      const brokers = await kafkaBrokers();
      const topic = await createTopic(brokers, { partitions: 2 });
      await using proxy = new TcpProxy(brokers[0], [{ api, nth: 1, lose }]);
      await using process = await Process.start(
        [proxy.address],
        `away-${crypto.randomUUID()}`,
        10_000,
      );
      await process.write(topic, ITEMS);
      const committed = process.commit();
      await eventually(() => proxy.cuts === 1, "the broker goes away");
      proxy.refusing = true;
      proxy.cutAll();
      await eventually(() => proxy.refused >= 3, "the process tries to reach it");
      proxy.refusing = false;
      await committed;
      assertEquals(proxy.fired.length, 1);
      assertEquals(await valuesIn(brokers, topic), ITEMS.toSorted());
    });
  }
}

Deno.test("a process whose broker is away for longer than its transaction ends with the id, and the next one writes it once", async () => {
  const brokers = await oldTransactionsKafka();
  const topic = await createTopic(brokers);
  const id = `late-${crypto.randomUUID()}`;
  {
    await using proxy = new TcpProxy(brokers[0]);
    await using process = await Process.start([proxy.address], id, 500);
    await process.write(topic, ITEMS);
    const held = proxy.hold("produce", "request");
    const committed = process.commit();
    const request = await held; // the transaction is open
    assertEquals((await openTransactions(brokers, id)).length, 1);
    await untilNoneIsOpen(brokers, id); // the broker aborts it
    request.release();
    const error = await assertRejects(() => committed, TransactionRefusedError);
    assert(error.message.includes(id), error.message);
    assertEquals(await valuesIn(brokers, topic), []);
  }
  await using process = await Process.start(brokers, id, 10_000);
  await process.write(topic, ITEMS);
  await process.commit();
  assertEquals(await valuesIn(brokers, topic), ITEMS.toSorted());
});
