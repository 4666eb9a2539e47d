import { assertEquals } from "@std/assert";
import { readPartition } from "../../../src/connectors/kafka_recovery/read_partition.ts";
import { fetched, recordAt, ScriptedKafka, TOPIC } from "../../support/scripted_kafka.ts";

Deno.test("readPartition() goes on reading when a broker that throttles it answers without partitions", async () => {
  const kafka = new ScriptedKafka({ partitions: [{ first: 0, last: 2, highWatermark: 2 }] });
  const reading = (async () => {
    const offsets: number[] = [];
    for await (const records of readPartition(kafka.connection, { topic: TOPIC, partition: 0 })) {
      offsets.push(...records.map(({ offset }) => offset));
    }
    return offsets;
  })();
  await kafka.throttle();
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
  await kafka.throttle();
  await kafka.answerLast(fetched({ highWatermark: 2, records: recordAt(1) }));
  assertEquals(await reading, [0, 1]);
});
