import { assertEquals } from "@std/assert";
import { readOutputProperties } from "../../../../src/connectors/kafka/properties/output_settings.ts";
import type { KafkaOutputSettings } from "../../../../src/connectors/kafka/properties/settings.ts";
import type { PartitionCount } from "../../../../src/connectors/kafka/write/partition_count.ts";
import { WaitingRecords } from "../../../../src/connectors/kafka/write/waiting_records.ts";

/** Waits for two partitions. */
function waiting(
  properties: Parameters<typeof readOutputProperties>[0],
) {
  const output = readOutputProperties(properties);
  const settings = { brokers: ["b:1"], topic: "t", output } as unknown as KafkaOutputSettings;
  return new WaitingRecords(settings, { count: 2 } as PartitionCount);
}

const record = (partition: number, bytes: number) => ({ partition, value: new Uint8Array(bytes) });

/** How many records each partition has in each round. */
function rounds(records: WaitingRecords): Record<number, number>[] {
  const all: Record<number, number>[] = [];
  while (records.records > 0) {
    const round = records.takeRound();
    all.push(Object.fromEntries([...round].map(([partition, { count }]) => [partition, count])));
    records.acknowledged(round);
  }
  return all;
}

Deno.test("a round takes as much of each partition as fits a batch", () => {
  const records = waiting({ "batch.size": 1_000 });
  records.add([0, 0, 0, 0, 0, 1].map((partition) => record(partition, 400)), true);
  assertEquals([records.records, records.bytes], [6, 6 * 432]);
  assertEquals(rounds(records), [{ 0: 2, 1: 1 }, { 0: 2 }, { 0: 1 }]);
  assertEquals(records.bytes, 0);
});

Deno.test("a batch has at most batch.num.messages records, and at least one", () => {
  const few = waiting({ "batch.num.messages": 2 });
  few.add([0, 0, 0].map((partition) => record(partition, 1)), true);
  assertEquals(rounds(few), [{ 0: 2 }, { 0: 1 }]);
  const large = waiting({ "batch.size": 10 });
  large.add([0, 0].map((partition) => record(partition, 400)), true);
  assertEquals(rounds(large), [{ 0: 1 }, { 0: 1 }]);
});

Deno.test("what is added while a round is under way goes into the batch after it", () => {
  const records = waiting({ "batch.size": 1_000 });
  records.add([0, 0, 0].map((partition) => record(partition, 400)), true);
  const first = records.takeRound();
  records.add([record(0, 400), record(1, 400)], true);
  assertEquals(first.get(0)!.count, 2);
  assertEquals(records.records, 5);
  assertEquals(records.acknowledged(first), 2 * 432);
  assertEquals(rounds(records), [{ 0: 2, 1: 1 }]);
});

Deno.test("queues that follow others are empty, and go on where those were", () => {
  const records = waiting({});
  records.add([record(1, 400)], true);
  const next = records.next();
  assertEquals([records.queued, next.queued, next.records, next.bytes], [[1], [], 0, 0]);
  next.add([record(0, 400), record(1, 400)], true);
  assertEquals([next.queued, records.records], [[0, 1], 1]);
  const keyless = (of: WaitingRecords) => {
    const before = new Set(of.queued);
    of.add([{ value: "v" }], true);
    return of.queued.find((partition) => !before.has(partition));
  };
  const first = waiting({});
  const partition = keyless(first);
  assertEquals(keyless(first.next()), partition); // until a round is taken
});
