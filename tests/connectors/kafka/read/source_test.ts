import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { KafkaProperties } from "../../../../src/connectors/kafka/properties/given_properties.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { shareOfWorker } from "../../../../src/connectors/kafka/read/partition_share.ts";
import { KafkaReader } from "../../../../src/connectors/kafka/read/source.ts";
import { WorkerPartitions } from "../../../../src/connectors/kafka/read/worker_partitions.ts";
import { TopicWatch } from "../../../../src/connectors/kafka/client/topic_watch.ts";
import { cursorAt } from "../../../support/kafka/cursor_at.ts";
import { oldMessage } from "../../../support/kafka/old_message.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";
import { fetched, recordAt, ScriptedKafka, TOPIC } from "../../../support/kafka/scripted_kafka.ts";

/** Reads one partition from its first record; items are offsets. */
async function readerOf(
  kafka: ScriptedKafka,
  properties: KafkaProperties = {},
): Promise<KafkaReader<number>> {
  const settings = {
    brokers: ["none:1"] as const,
    topics: [TOPIC],
    tail: true,
    start: "beginning" as const,
    input: readInputProperties(properties),
  };
  const { connection } = kafka;
  const watch = new TopicWatch({ ask: () => connection.metadata(), maxAgeMs: 60_000 });
  await watch.look();
  const partitions = new WorkerPartitions();
  partitions.found({ topic: TOPIC, partition: 0, start: "beginning", isReplaced: false });
  const cursor = cursorAt(0);
  cursor.release();
  partitions.begin(cursor);
  return new KafkaReader(
    settings,
    { connection, watch, partitions, share: shareOfWorker(testPlace()) },
    ({ offset }) => offset,
    testPlace(),
  );
}

Deno.test("a reader's position is after what it has handed out, even with a limit within a block", async () => {
  await using kafka = new ScriptedKafka();
  const reader = await readerOf(kafka);
  const records = Buffer.concat([0, 1, 4].map((offset) => recordAt(offset)));
  await kafka.answerLast(fetched({ highWatermark: 5, records }));
  await reader.ready();
  const position = () => (reader.positions().get(`${TOPIC}-0`) as { offset: bigint }).offset;
  assertEquals([reader.next(2), position()], [[0, 1], 2n]);
  assertEquals([reader.next(2), position()], [[4], 5n]);
  await reader.close();
});

Deno.test("a reader commits positions of its group that no output has committed with an epoch", async () => {
  await using kafka = new ScriptedKafka();
  const committed: bigint[] = [];
  Object.assign(kafka.connection, {
    clusterId: "c",
    commitGroup: (_group: string, [{ offset }]: readonly { offset: bigint }[]) => {
      committed.push(offset);
      return Promise.resolve();
    },
  });
  const reader = await readerOf(kafka, { "group.id": "g" });
  const records = Buffer.concat([0, 1, 2].map((offset) => recordAt(offset)));
  await kafka.answerLast(fetched({ highWatermark: 3, records }));
  await reader.ready();
  /** Reads a record, and ends an epoch; returns what to commit it with. */
  const epoch = () => {
    reader.next(1);
    return { positions: reader.positions(), note: reader.forOutputs()! };
  };
  const first = epoch();
  const { clusterId, groupId, offsets } = first.note;
  assertEquals([clusterId, groupId], ["c", "g"]);
  assertEquals(offsets, [{ topic: TOPIC, partition: 0, offset: 1n }]);
  await reader.committed(first.positions);
  const second = epoch();
  second.note.take();
  const third = epoch(); // it ends before the second one is committed
  await reader.committed(second.positions);
  await reader.committed(third.positions);
  assertEquals(committed, [1n, 3n]);
  await kafka.fetchFrom(0); // it is under way, so that closing ends it
  await reader.close();
});

/** Messages one after another in the format before Kafka 0.11, wrapped, up to an offset. */
function wrapped(last: number, count: number): Buffer {
  const value = Buffer.from("x");
  const inner = Array.from({ length: count }, (_, i) => oldMessage(1, i, { value }));
  const GZIP = 1;
  return oldMessage(1, last, { attributes: GZIP, value: gzipSync(Buffer.concat(inner)) });
}

Deno.test("old messages that overlap are damage, and no record is handed out twice", async () => {
  await using kafka = new ScriptedKafka();
  const reader = await readerOf(kafka);
  const records = Buffer.concat([wrapped(2, 3), wrapped(4, 4)]); // from 0 to 2, from 1 to 4
  await kafka.answerLast(fetched({ highWatermark: 5, records }));
  await reader.ready();
  assertEquals(reader.next(), [0, 1, 2]);
  assertThrows(
    () => reader.next(),
    Error,
    'topic "topic", partition 0 cannot be read from offset 3 on: the batch at offset 1 is damaged: ' +
      "the batch before it goes up to offset 2. ",
  );
  await reader.close();
});

Deno.test("a reader tells how old its lag is, which grows while its broker is away", async () => {
  const { now } = performance;
  let later = 0;
  performance.now = () => now.call(performance) + later;
  try {
    await using kafka = new ScriptedKafka();
    const reader = await readerOf(kafka);
    /** The lag, and its age in minutes. */
    const lag = () => [
      ...reader.lag().values(),
      ...[...reader.lagAges().values()].map((ms) => Math.floor(ms / 60_000)),
    ];
    assertEquals(lag(), []); // nothing is known
    await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
    await reader.ready();
    reader.next(1);
    assertEquals(lag(), [0, 0]);
    later += 60_000;
    assertEquals(lag(), [0, 1]);
    await kafka.answer(fetched({ highWatermark: 1 })); // nothing new
    assertEquals(lag(), [0, 0]);
    await kafka.goAway();
    later += 120_000;
    assertEquals(lag(), [0, 2]); // there may be much more
    await reader.close();
  } finally {
    performance.now = now;
  }
});
