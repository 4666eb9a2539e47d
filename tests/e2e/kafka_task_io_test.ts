import { assertEquals, assertRejects } from "@std/assert";
import {
  KafkaInputConfig,
  type KafkaItem,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type OutputConfig,
  type OutputWriter,
  type Positions,
  StepError,
} from "millrace";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { readInputProperties } from "../../src/connectors/kafka/properties/input_settings.ts";
import { type Persist, persist } from "../../src/connectors/kafka/transactions/persist.ts";
import { acquire, Transaction } from "../../src/connectors/kafka/transactions/transaction.ts";
import { PendingOutputs } from "../../src/connectors/kafka_tasks/pending_outputs.ts";
import { openTaskInput } from "../../src/connectors/kafka_tasks/task_input.ts";
import { openTaskOutput } from "../../src/connectors/kafka_tasks/task_output.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { readFrom } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";

const PARTITIONS = 3;

/** A process that writes in transactions, without its tasks. */
class Process implements AsyncDisposable {
  readonly outputs: PendingOutputs;
  readonly transaction: Transaction;
  readonly #connection: KafkaConnection;

  private constructor(connection: KafkaConnection, transaction: Transaction) {
    this.#connection = connection;
    this.transaction = transaction;
    this.outputs = new PendingOutputs({ transaction, ...testPlace() });
  }

  static async start(brokers: string[], id: string): Promise<Process> {
    const settings = readInputProperties();
    const connection = new KafkaConnection([brokers[0]], [], settings, testPlace());
    const patiently: Persist = (work) => persist(connection, 10_000, work);
    await connection.open(() => Promise.resolve());
    const identity = await acquire(connection, id, { timeoutMs: 10_000, persist: patiently });
    return new Process(connection, new Transaction(connection, identity, patiently));
  }

  async open(config: KafkaOutputConfig): Promise<OutputWriter<KafkaOutputItem>> {
    const at = testPlace({ stepId: "out" });
    const output = config as OutputConfig<unknown>;
    const waiting = { add: () => {} };
    return await openTaskOutput(output, at, new Map(), { outputs: this.outputs, waiting });
  }

  async end(how: "commit" | "abort"): Promise<void> {
    await this.outputs.commit(() => this.transaction.end(how));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outputs.close();
    await this.transaction.end("abort");
    await this.#connection.close();
  }
}

/** A task that copies one partition; returns its positions. */
async function copy(
  input: KafkaInputConfig,
  writer: OutputWriter<KafkaOutputItem>,
  { partition, count, resume }: {
    partition: number;
    count: number;
    resume: Positions;
  },
): Promise<Positions> {
  const reader = await openTaskInput(input, partition, testPlace(), resume, { app: "app" });
  try {
    const items = await readFrom(reader, count) as KafkaItem[];
    assertEquals(items.length, count);
    await writer.write(items, 1);
    await writer.prepare(1);
    return structuredClone(reader.positions()) as Positions;
  } finally {
    await reader.close();
  }
}

Deno.test("tasks copy a topic: each epoch is visible as a whole, and an aborted one is read again", async () => {
  const brokers = await kafkaBrokers();
  const from = await createTopic(brokers, { partitions: PARTITIONS });
  const to = await createTopic(brokers, { partitions: 2 });
  const id = `copy-${crypto.randomUUID()}`;
  const input = new KafkaInputConfig({ brokers, topic: from });
  const output = new KafkaOutputConfig({ brokers, topic: to });
  const append = (round: number) =>
    produce(
      brokers,
      from,
      Array.from({ length: 30 }, (_, n) => ({
        key: `k${n % 7}`,
        value: `${round}/${n}`,
        partition: n % PARTITIONS,
      })),
    );
  const values = async () => (await readAll(brokers, to)).map(({ value }) => value!).sort();
  const expected = (rounds: number) =>
    Array.from({ length: 30 * rounds }, (_, n) => `${Math.floor(n / 30)}/${n % 30}`).sort();

  let stored = new Map<number, Positions>();
  for (const [round, how] of (["commit", "abort", "commit", "commit"] as const).entries()) {
    if (round !== 2) await append(round === 3 ? 2 : round);
    await using process = await Process.start(brokers, id);
    const positions = new Map<number, Positions>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const resume = stored.get(partition) ?? new Map();
      const writer = await process.open(output);
      positions.set(partition, await copy(input, writer, { partition, count: 10, resume }));
    }
    await process.end(how);
    if (how === "commit") stored = positions;
    assertEquals(await values(), expected([1, 1, 2, 3][round]));
  }
});

Deno.test("batches that a topic does not accept are divided within the transaction, down to the record", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { config: { "max.message.bytes": "5000" } });
  await using process = await Process.start(brokers, `divide-${crypto.randomUUID()}`);
  const writer = await process.open(new KafkaOutputConfig({ brokers, topic }));
  const small = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(1000, "x"));
  await writer.write(small.map((value) => [null, value]), 1);
  await writer.prepare(1);
  await process.end("commit");
  assertEquals((await readAll(brokers, topic)).map(({ value }) => value), small);

  const large = "y".repeat(6000);
  await writer.write([[null, "a"], ["k", large], [null, "b"]], 2);
  await writer.prepare(2);
  const error = await assertRejects(() => process.end("commit"), StepError);
  assertEquals([error.stepId, error.item?.includes(`"k", "yyy`)], ["out", true]);
  await process.transaction.end("abort");
  assertEquals((await readAll(brokers, topic)).length, small.length);
});
