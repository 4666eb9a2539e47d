import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FlowDefinitionError } from "../../../src/core/errors.ts";
import {
  ItemError,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type KafkaOutputOptions,
  ManualOutputConfig,
  type OutputConfig,
  type OutputWriter,
  StepError,
} from "millrace";
import type { Buffer } from "node:buffer";
import { TopicDeletedError } from "../../../src/connectors/kafka/client/deleted_topic.ts";
import { TransactionRefusedError } from "../../../src/connectors/kafka/transactions/refused.ts";
import { readBatches } from "../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../src/connectors/kafka/wire/record_cursor.ts";
import type { TopicPartition } from "../../../src/connectors/kafka/wire/topic_partition.ts";
import { WireReader, WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";
import { PendingOutputs } from "../../../src/connectors/kafka_tasks/pending_outputs.ts";
import {
  openTaskOutput,
  requireTaskOutput,
} from "../../../src/connectors/kafka_tasks/task_output.ts";
import { FAKE_TOPIC, FakeBroker } from "../../support/kafka/fake_broker.ts";
import { within } from "../../support/kafka/reading.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

const INVALID_RECORD = 87;
const INVALID_PRODUCER_EPOCH = 47;

/** A batch as a broker gets it. */
interface Got {
  readonly partition: number;
  readonly values: string[];
  readonly transactionalId: string | null;
  readonly isTransactional: boolean;
  readonly producerId: bigint;
  readonly baseSequence: number;
}

/** A process with a producer, on a broker that keeps what it gets. */
class Process implements AsyncDisposable {
  readonly got: Got[] = [];
  /** The partitions that were added to the transaction, in order. */
  readonly added: TopicPartition[] = [];
  readonly place = testPlace({ stepId: "out" });
  readonly outputs: PendingOutputs;
  /** How many bytes tasks have told of, by epoch. */
  readonly told = new Map<number, number>();
  readonly waiting = {
    add: (epoch: number, bytes: number) => {
      this.told.set(epoch, (this.told.get(epoch) ?? 0) + bytes);
    },
  };
  readonly broker: FakeBroker;
  /** How many partitions the topic has. */
  partitions = 1;
  /** Returns the error that a batch is answered with; 0 for none. */
  refuse: (batch: Got) => number = () => 0;
  /** What else happens when partitions are added to the transaction. */
  add: () => Promise<void> = () => Promise.resolve();
  /** The end of a transaction, after the records of outputs. */
  end: () => Promise<void> = () => Promise.resolve();

  constructor() {
    const count = () => this.partitions;
    this.broker = new FakeBroker({
      versions: { Produce: [3, 7] },
      get partitions() {
        return count();
      },
      answers: { Produce: ({ body, version }) => this.#produced(body, version) },
    });
    this.outputs = new PendingOutputs({
      transaction: {
        identity: { transactionalId: "app-1", producerId: 7n, producerEpoch: 3 },
        add: async (partitions) => {
          this.added.push(...partitions);
          await this.add();
        },
      },
      log: this.place.log,
      signal: this.place.signal,
    });
  }

  /** An output of a task. */
  async open(options: Partial<KafkaOutputOptions> = {}, stepId = "out") {
    const config = this.config(options);
    const at = { ...this.place, stepId };
    const writer = await openTaskOutput(config, at, new Map(), this);
    return writer as OutputWriter<KafkaOutputItem>;
  }

  config(options: Partial<KafkaOutputOptions> = {}): OutputConfig<unknown> {
    const { brokers } = this.broker;
    return new KafkaOutputConfig({ brokers, topic: FAKE_TOPIC, ...options }) as OutputConfig<
      unknown
    >;
  }

  async commit(): Promise<void> {
    await this.outputs.commit(() => this.end());
  }

  get values(): string[] {
    return this.got.flatMap(({ values }) => values.map((value) => value.trimEnd()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outputs.close();
    await this.broker[Symbol.asyncDispose]();
  }

  #produced(body: Buffer, version: number): Buffer {
    const batches = batchesIn(body);
    const out = new WireWriter(false);
    out.array([FAKE_TOPIC], (topic) => {
      out.string(topic);
      out.array(batches, (batch) => {
        const code = this.refuse(batch);
        if (code === 0) this.got.push(batch);
        out.int32(batch.partition);
        out.int16(code);
        out.int64(0n);
        out.int64(-1n);
        if (version >= 5) out.int64(0n);
      });
    });
    out.int32(0);
    return out.written;
  }
}

function batchesIn(body: Buffer): Got[] {
  const from = new WireReader(body, false);
  const transactionalId = from.string();
  from.int16(); // acks
  from.int32(); // the time-out
  return from.array(() => {
    from.string(); // the topic
    return from.array(() => {
      const partition = from.int32();
      const bytes = from.bytes();
      const [batch] = readBatches(bytes, true);
      const cursor = new RecordCursor(batch, batch.records, false);
      const values: string[] = [];
      while (!cursor.done) values.push(new TextDecoder().decode(cursor.read().value!));
      const { isTransactional, producerId } = batch;
      const baseSequence = bytes.readInt32BE(53);
      return { partition, values, transactionalId, isTransactional, producerId, baseSequence };
    });
  }).flat();
}

const items = (...values: string[]): KafkaOutputItem[] => values.map((value) => [null, value]);

/** Items of about a mebibyte each. */
const large = (count: number, name = "large"): KafkaOutputItem[] =>
  Array.from({ length: count }, () => [null, name.padEnd(1 << 20)]);

Deno.test("records of all tasks wait for the transaction of their epoch, and share its batches", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open()];
  for (const epoch of [5, 6]) {
    const before = process.got.length;
    await one.write(items(`a${epoch}`, `b${epoch}`), epoch);
    await two.write(items(`c${epoch}`), epoch);
    for (const writer of [one, two]) assertEquals(await writer.prepare(epoch), new Map());
    assertEquals(process.got.length, before);
    let written: string[] = [];
    process.end = () => Promise.resolve(void (written = process.got.at(-1)!.values));
    await process.commit();
    assertEquals(written, [`a${epoch}`, `b${epoch}`, `c${epoch}`]);
  }
  assertEquals(
    process.got.map(({ values: _, ...batch }) => batch),
    [0, 3].map((baseSequence) => ({
      partition: 0,
      transactionalId: "app-1",
      isTransactional: true,
      producerId: 7n,
      baseSequence,
    })),
  );
  assertEquals(process.added[0], { topic: FAKE_TOPIC, partition: 0 });
});

Deno.test("tasks tell of all that they keep until the commit, by epoch", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open({}, "two")];
  await one.write(items("a", "b"), 1);
  await two.write(items("c"), 1);
  assertEquals([...process.told], [[1, process.outputs.bytes]]);
  process.partitions = 2;
  await two.write([{ value: "d", partition: 1 }], 2); // it asks for new partitions
  const told = process.told.get(1)! + process.told.get(2)!;
  assertEquals(told, process.outputs.bytes);
});

Deno.test("a transaction does not have records of the next epoch, however many come while it ends", async () => {
  await using process = new Process();
  const writer = await process.open();
  await writer.write(items("a"), 1);
  await writer.prepare(1);
  const ahead = writer.write(large(36), 2) as Promise<void>; // it waits for room
  process.end = () => {
    assertEquals(process.values, ["a"]);
    return Promise.resolve();
  };
  await process.commit();
  await within(ahead, "there was room"); // some were written early, in the next transaction
  assert(process.values.length > 1);
  await writer.prepare(2);
  process.end = () => Promise.resolve();
  await process.commit();
  assertEquals(process.values, ["a", ...Array(36).fill("large")]);
});

Deno.test("16 MiB of the next epoch may wait for a transaction, and go on without being written", async () => {
  await using process = new Process();
  const writer = await process.open();
  await writer.prepare(1);
  const ahead = writer.write(large(17), 2) as Promise<void>; // it waits for room
  let isFree = false;
  ahead.then(() => isFree = true);
  process.end = async () => {
    await Promise.resolve();
    assert(!isFree);
  };
  await process.commit();
  await within(ahead, "there was room");
  assertEquals([process.values, process.added], [[], []]);
});

Deno.test("no transaction begins before its epoch ends, unless more than 32 MiB wait", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open()];
  assertEquals(one.write(large(16), 1), undefined);
  assertEquals(two.write(large(15), 1), undefined);
  assertEquals(process.added, []);
  const full = two.write(large(2), 1) as Promise<void>;
  await within(full, "there was room");
  assertEquals(process.outputs.bytes <= 16 << 20, true);
  for (const writer of [one, two]) await writer.prepare(1);
  await process.commit();
  assertEquals([process.values.length, process.outputs.bytes], [33, 0]);
});

Deno.test("a task that is full is written although another has written much of the next epoch", async () => {
  await using process = new Process();
  const [fast, slow] = [await process.open(), await process.open()];
  await fast.prepare(1);
  const ahead = fast.write(large(36, "fast"), 2) as Promise<void>;
  await within(slow.write(large(36, "slow"), 1) as Promise<void>, "there was room");
  await slow.prepare(1);
  process.end = () => {
    assertEquals(process.values, Array(36).fill("slow"));
    return Promise.resolve();
  };
  await process.commit();
  await within(ahead, "there was room");
});

Deno.test("a record that the topic refuses ends the commit with its step and the record", async () => {
  await using process = new Process();
  process.refuse = ({ values }) => values.includes("bad") ? INVALID_RECORD : 0;
  const writer = await process.open();
  await writer.write(items("a", "b", "bad", "c"), 1);
  await writer.prepare(1);
  process.end = () => Promise.reject(new Error("it was committed all the same"));
  const error = await assertRejects(() => process.commit(), StepError);
  assertEquals([error.stepId, error.task, error.item], ["out", null, '[ null, "bad" ]']);
  assert(error.message.startsWith('step "out" failed: '));
  assert(error.message.includes(`topic "${FAKE_TOPIC}", partition 0 does not accept a record`));
  // Nothing else can be committed.
  assertEquals(assertThrows(() => writer.write(items("d"), 2)), error);
  assertEquals(await assertRejects(() => process.commit()), error);
});

Deno.test("a record that is refused while the epoch is open ends the write that waits", async () => {
  await using process = new Process();
  process.refuse = () => INVALID_RECORD;
  const writer = await process.open();
  const full = writer.write(large(36), 1) as Promise<void>;
  const error = await assertRejects(() => within(full, "it failed"), StepError);
  assertEquals(error.stepId, "out");
});

Deno.test("what is wrong with a record itself is found as it is written", async () => {
  await using process = new Process();
  const additionalProperties = { "message.max.bytes": 1000 };
  const writer = await process.open({ additionalProperties });
  const tooLarge = { value: "x".repeat(2000) };
  assertEquals(assertThrows(() => writer.write([tooLarge], 1), ItemError).item, tooLarge);
  const misplaced = { value: "x", partition: 1 };
  const error = await assertRejects(async () => await writer.write([misplaced], 1), ItemError);
  assertEquals(error.item, misplaced);
});

Deno.test("a record for a partition that was just added is written", async () => {
  await using process = new Process();
  const writer = await process.open();
  process.partitions = 2;
  const records = [0, 1, 0].map((partition, n) => ({ value: `${n}`, partition }));
  await writer.write(records, 1);
  await writer.prepare(1);
  await process.commit();
  assertEquals(process.got.map(({ partition, values }) => [partition, values]), [
    [0, ["0", "2"]],
    [1, ["1"]],
  ]);
});

Deno.test("a topic that does not exist is found when the output is opened, also by the next task", async () => {
  await using process = new Process();
  for (const _ of [1, 2]) {
    await assertRejects(
      () => process.open({ topic: "missing" }),
      Error,
      `"missing" does not exist`,
    );
  }
});

Deno.test("a transaction that is over is told apart from an error of the step", async () => {
  await using process = new Process();
  process.refuse = () => INVALID_PRODUCER_EPOCH;
  const writer = await process.open();
  await writer.write(items("a"), 1);
  await writer.prepare(1);
  const error = await assertRejects(() => process.commit(), TransactionRefusedError);
  assert(error.message.includes("app-1"));
});

Deno.test("a topic that was deleted before a transaction begins is an error of its step", async () => {
  await using process = new Process();
  process.add = () => Promise.reject(new TopicDeletedError(FAKE_TOPIC, null));
  const writer = await process.open();
  await writer.write(items("a"), 1);
  await writer.prepare(1);
  const error = await assertRejects(() => process.commit(), StepError);
  assertEquals(error.stepId, "out");
  assert(error.message.includes(`topic "${FAKE_TOPIC}" has been deleted`), error.message);
});

Deno.test("two outputs with one topic share its sequence numbers", async () => {
  await using process = new Process();
  const writers = [await process.open({}, "one"), await process.open({}, "two")];
  for (const [n, writer] of writers.entries()) await writer.write(items(`a${n}`, `b${n}`), 1);
  for (const writer of writers) await writer.prepare(1);
  await process.commit();
  assertEquals(process.got.map(({ baseSequence, values }) => [baseSequence, values]), [
    [0, ["a0", "b0"]],
    [2, ["a1", "b1"]],
  ]);
});

Deno.test("an output stays open until its last task has left and its records are committed", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open()];
  await one.write(items("a"), 1);
  await one.prepare(1);
  await one.close();
  await two.close();
  await process.commit();
  assertEquals(process.values, ["a"]);
  const again = await process.open();
  await again.write(items("b"), 2);
  await again.prepare(2);
  await process.commit();
  assertEquals(process.values, ["a", "b"]);
  assertEquals(process.got[1].baseSequence, 1);
});

Deno.test("a task that is given up in the middle of an epoch lets nothing be committed", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open()];
  await one.write(items("half"), 1);
  await one.close();
  await assertRejects(() => two.prepare(1), Error, `"out" was closed in the middle of an epoch`);
  await assertRejects(() => process.commit(), Error, `"out" was closed in the middle of an epoch`);
  assertEquals(process.values, []);
});

Deno.test("an epoch that is committed gets no more records", async () => {
  await using process = new Process();
  const [one, two] = [await process.open(), await process.open()];
  await one.prepare(3);
  await process.commit();
  assertThrows(() => two.write(items("a"), 3), Error, "epoch 3 gets no more records");
  await assertRejects(() => two.prepare(3), Error, "epoch 3 gets no more records");
});

Deno.test("what is written while a transaction ends is not part of it, though it has no records", async () => {
  await using process = new Process();
  const late = await process.open();
  let full = Promise.resolve();
  process.end = () => {
    full = late.write(large(36), 1) as Promise<void>;
    assertEquals(process.added, []);
    return Promise.resolve();
  };
  await process.commit();
  await within(full, "there was room");
  assert(process.added.length > 0);
});

Deno.test("a commit comes after a look at whether the topic is still there", async () => {
  await using process = new Process();
  const writer = await process.open();
  await writer.write(items("a"), 1);
  await writer.prepare(1);
  const asked: string[] = [];
  process.end = () => {
    asked.push(...process.broker.requests.slice(-2).map(({ api }) => api));
    return Promise.resolve();
  };
  await process.commit();
  assertEquals(asked, ["Produce", "Metadata"]);
});

Deno.test("a task that comes later first ends an epoch in which it was not there", async () => {
  await using process = new Process();
  const one = await process.open();
  await one.write(items("a"), 0);
  const two = await process.open();
  assertEquals(await two.prepare(-1), new Map());
  await two.commit!(-1);
  await one.prepare(0);
  await process.commit();
  assertEquals(process.values, ["a"]);
});

Deno.test("an epoch without a commit holds nothing up, and its records wait for the next commit", async () => {
  await using process = new Process();
  const writer = await process.open();
  await writer.prepare(1);
  await writer.commit!(1);
  const full = writer.write(large(36), 2) as Promise<void>;
  await within(full, "there was room");
  await writer.write(items("timer"), 2);
  await writer.prepare(2);
  await writer.commit!(2);
  await within(writer.write(large(36), 3) as Promise<void>, "there was room");
  await writer.prepare(3);
  await process.commit();
  const all = Array(36).fill("large");
  assertEquals(process.values, [...all, "timer", ...all]);
});

Deno.test("without transactions, a task opens the ordinary output", async () => {
  await using process = new Process();
  const additionalProperties = { "enable.idempotence": false };
  const config = process.config({ additionalProperties });
  const writer = await openTaskOutput(config, process.place, new Map(), null);
  await writer.write(items("a"), 1);
  await writer.prepare(1);
  assertEquals(process.got.map(({ values, transactionalId }) => [values, transactionalId]), [
    [["a"], null],
  ]);
  await writer.close();
});

Deno.test("another output is opened as it is", async () => {
  await using process = new Process();
  const written: unknown[] = [];
  const config = new ManualOutputConfig<unknown>(() => (item) => void written.push(item));
  const writer = await openTaskOutput(config, process.place, new Map(), process);
  await writer.write([1, 2], 1);
  await writer.prepare(1);
  await writer.close();
  assertEquals(written, [1, 2]);
});

Deno.test("an output that contradicts what the group guarantees is refused, with its step", () => {
  const configOf = (options: Partial<KafkaOutputOptions>) =>
    new KafkaOutputConfig({ brokers: ["none:1"], topic: "t", ...options });
  const cases = [
    [{ delivery: "exactly-once" }, "at-least-once", "--guarantee at-least-once: leave out one"],
    [{ additionalProperties: { acks: 1 } }, "exactly-once", `"acks" of 1`],
    [{ additionalProperties: { "enable.idempotence": false } }, "exactly-once", "idempotence"],
    [
      { delivery: "exactly-once", additionalProperties: { "transactional.id": "a" } },
      "exactly-once",
      `"transactional.id", but a group names`,
    ],
    [
      { delivery: "exactly-once", additionalProperties: { "transaction.timeout.ms": 5_000 } },
      "exactly-once",
      `"transaction.timeout.ms", but a group`,
    ],
    [{ delivery: "exactly-once", acceptLostEpoch: 3 }, "exactly-once", "acceptLostEpoch, but a"],
  ] as const;
  for (const [options, guarantee, message] of cases) {
    const refused = () => requireTaskOutput(configOf(options), "totals", guarantee);
    const error = assertThrows(refused, FlowDefinitionError, message);
    assert(error.message.startsWith(`output "totals"`));
  }
  requireTaskOutput(configOf({ delivery: "exactly-once" }), "totals", "exactly-once");
  requireTaskOutput(configOf({ additionalProperties: { acks: 1 } }), "totals", "at-least-once");
});
