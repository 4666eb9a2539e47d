import { assertEquals } from "@std/assert";
import { BrokerRounds } from "../../../../src/connectors/kafka/read/broker_rounds.ts";
import type { PartitionCursor } from "../../../../src/connectors/kafka/read/partition_cursor.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";
import { eventually } from "../../../support/eventually.ts";
import { fetched, recordAt, ScriptedKafka, TOPIC } from "../../../support/kafka/scripted_kafka.ts";

const SETTINGS = {
  brokers: ["none:1"] as const,
  topics: [TOPIC],
  tail: true,
  start: "beginning" as const,
  input: readInputProperties({}),
};

/**
 * What is kept of an answer about partitions 0 and 1, in rounds of a broker that are then closed.
 * `onTake` is called while the answer is unpacked.
 */
async function takenOf(
  kafka: ScriptedKafka,
  cursors: readonly PartitionCursor[],
  onTake: (rounds: BrokerRounds, partition: number) => void,
): Promise<string[]> {
  const taken: string[] = [];
  let isClosed = false;
  const rounds = new BrokerRounds(0, SETTINGS, kafka.connection, {
    get isClosed() {
      return isClosed;
    },
    room: () => Promise.resolve(false),
    take: async (_answer, { partition }, isWanted) => {
      await Promise.resolve();
      onTake(rounds, partition);
      taken.push(`${partition} ${isWanted() ? "wanted" : "not wanted"}`);
    },
    hand: (_cursor, error) => void taken.push(String(error)),
    failed: (error) => void taken.push(String(error)),
    looked: () => Promise.resolve(),
    fresh: () => Promise.resolve(),
    tellIdle: () => isClosed = taken.length > 0,
    fail: (error) => void taken.push(String(error)),
  });
  for (const cursor of cursors) rounds.add(cursor);
  const answers = [0, 1].map((partition) =>
    fetched({ partition, highWatermark: 9, records: recordAt(0) })
  );
  await kafka.answerLast(...answers);
  await eventually(() => isClosed, "the answer had been taken");
  await rounds.ended();
  return taken;
}

for (const [moving, expected] of [[1, ["0 wanted"]], [0, ["0 not wanted", "1 wanted"]]] as const) {
  Deno.test(`an answer is not taken of a partition that went and came back meanwhile: ${moving}`, async () => {
    await using kafka = new ScriptedKafka();
    const cursors = [0, 1].map((partition) => cursorAt(0, { partition }));
    const taken = await takenOf(kafka, cursors, (rounds, partition) => {
      if (partition !== 0) return;
      const cursor = cursors[moving];
      rounds.remove(cursor);
      cursor.release();
      cursor.assign(1); // which brings the same record
      fetchTo(cursor, 1);
      cursor.release();
      cursor.assign(0);
      rounds.add(cursor);
    });
    assertEquals(taken, [...expected]);
  });
}
