import { assertEquals } from "@std/assert";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import { findRecord, markOf } from "../../../../src/connectors/kafka/read/record_mark.ts";
import { storedBatch } from "../../../support/kafka/wire_bytes.ts";
import { fetched, recordAt, ScriptedKafka, TOPIC } from "../../../support/kafka/scripted_kafka.ts";

Deno.test("findRecord() asks again when a broker that throttles it answers without the partition", async () => {
  const other = storedBatch(4n);
  const mark = markOf(new RecordCursor(other, other.records, false).read());
  const kafka = new ScriptedKafka();
  const asking = findRecord(kafka.connection, { topic: TOPIC, partition: 0 }, mark);
  await kafka.throttle();
  await kafka.answerLast(fetched({ highWatermark: 9, records: recordAt(4) }));
  assertEquals(await asking, "other");
});
