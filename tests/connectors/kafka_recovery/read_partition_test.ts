import { assertEquals, assertRejects } from "@std/assert";
import { readPartition } from "../../../src/connectors/kafka_recovery/read_partition.ts";
import { warningsOf } from "../../support/warnings.ts";
import { fetched, recordAt, ScriptedKafka, TOPIC } from "../../support/kafka/scripted_kafka.ts";

const TWO_RECORDS = { partitions: [{ first: 0, last: 2, highWatermark: 2 }] };

/** The offsets of all records of the partition. */
async function offsetsOf(kafka: ScriptedKafka, options = {}): Promise<number[]> {
  const of = { topic: TOPIC, partition: 0 };
  const offsets: number[] = [];
  for await (const records of readPartition(kafka.connection, of, options)) {
    offsets.push(...records.map(({ offset }) => offset));
  }
  return offsets;
}

Deno.test("readPartition() continues if a broker that throttles it answers without partitions", async () => {
  const kafka = new ScriptedKafka(TWO_RECORDS);
  const reading = offsetsOf(kafka);
  await kafka.throttle();
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
  await kafka.throttle();
  await kafka.answerLast(fetched({ highWatermark: 2, records: recordAt(1) }));
  assertEquals(await reading, [0, 1]);
});

Deno.test("readPartition() asks again if a broker sends none of the records that it has", async () => {
  const kafka = new ScriptedKafka(TWO_RECORDS);
  const reading = offsetsOf(kafka);
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
  await kafka.answer(fetched({ highWatermark: 2 }));
  await kafka.answerLast(fetched({ highWatermark: 2, records: recordAt(1) }));
  assertEquals(await reading, [0, 1]);
});

Deno.test("readPartition() asks a broker at once that has answered later than it was to", async () => {
  const kafka = new ScriptedKafka(TWO_RECORDS);
  const { now } = performance;
  const warnings = await warningsOf(async () => {
    try {
      const reading = offsetsOf(kafka);
      await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
      performance.now = () => now.call(performance) + 5_000;
      await kafka.answer(fetched({ highWatermark: 2 }));
      await kafka.answerLast(fetched({ highWatermark: 2, records: recordAt(1) }));
      assertEquals(await reading, [0, 1]);
    } finally {
      performance.now = now;
    }
  });
  assertEquals(warnings, []);
});

for (
  const [lastStableOffset, says] of [
    [
      2,
      'the broker\'s answer to Fetch says that partition 0 of topic "topic" has records up to ' +
      "offset 2, and sends none from 1 on",
    ],
    [
      1,
      'a transaction on "topic", partition 0 has been open for long, from offset 1 on: has ' +
      "a run been killed? The next run ends what that was writing, or the broker does within five " +
      "minutes. Or does something else write to it? If not, Kafka has lost the end of an epoch, as it " +
      "may when the partition has no leader (kafka-transactions.sh find-hanging); if that aborts the epoch, it is " +
      "lost: bring back its topics from a copy",
    ],
  ] as const
) {
  Deno.test(`readPartition() fails if the broker sends nothing for long, with records up to ${lastStableOffset}`, async () => {
    const kafka = new ScriptedKafka(TWO_RECORDS);
    const reading = assertRejects(() => offsetsOf(kafka, { patienceMs: 0 }), Error, says);
    await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
    await kafka.answerLast(fetched({ highWatermark: 2, lastStableOffset }));
    await reading;
  });
}
