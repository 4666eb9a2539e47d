import { assertEquals } from "@std/assert";
import { locate } from "../../../../src/connectors/kafka/read/locate.ts";
import { ScriptedKafka, TOPIC } from "../../../support/kafka/scripted_kafka.ts";

Deno.test("a partition that begins after its end has failed, and others are located", async () => {
  await using kafka = new ScriptedKafka({
    partitions: [
      { first: 100, last: 10, highWatermark: 10 },
      { first: 10, last: 10, highWatermark: 12 },
    ],
  });
  const asked = [0, 1].map((partition) => ({ topic: TOPIC, partition }));
  const { offsets, failed } = await locate(asked, "beginning", kafka.connection);
  assertEquals(offsets.map(({ partition }) => partition), [1]);
  assertEquals([...failed.values()].map((error) => (error as Error).message), [
    `the broker's answer to ListOffsets says that partition 0 of topic "${TOPIC}" begins at offset ` +
    "100 and ends before offset 10",
  ]);
});
