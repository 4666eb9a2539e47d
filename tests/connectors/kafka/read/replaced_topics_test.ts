import { assertEquals, assertThrows } from "@std/assert";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { shareOfWorker } from "../../../../src/connectors/kafka/read/partition_share.ts";
import { markOf } from "../../../../src/connectors/kafka/read/record_mark.ts";
import { storedPosition } from "../../../../src/connectors/kafka/read/position.ts";
import {
  allowReplaced,
  otherTopic,
  positionsIn,
} from "../../../../src/connectors/kafka/read/replaced_topics.ts";
import { TopicReplacedError } from "../../../../src/connectors/kafka/client/topic_watch.ts";
import { recordingLog } from "../../../support/recording_log.ts";

const at = (partition: number, topicId: string | null) => ({
  topic: "t",
  partition,
  position: storedPosition(5, topicId, null),
});

Deno.test("positionsIn() finds a topic's partitions, and none of a topic with a similar name", () => {
  const names = ["t-0", "t-12", "t-1-0", "t", "t-x", "t-01", "u-0", "t-"];
  const resume = new Map(names.map((name) => [name, { offset: 1n }]));
  const partitions = (topic: string) => positionsIn(topic, resume).map((p) => p.partition);
  assertEquals(partitions("t"), [0, 12]);
  assertEquals(partitions("t-1"), [0]);
  assertEquals(partitions("nothing"), []);
});

Deno.test("otherTopic() compares ids, and partitions if there are none", () => {
  assertEquals(otherTopic([at(0, "a"), at(1, "a")], "a", 2), null);
  assertEquals(otherTopic([at(0, "a"), at(1, "b")], "a", 2), "its id was b, and is a");
  assertEquals(otherTopic([at(0, null)], "a", 1), null);
  assertEquals(otherTopic([at(0, "a")], null, 1), null);
  const evidence = "it had a partition 3, and has 3 partitions";
  assertEquals(otherTopic([at(3, null), at(0, null)], null, 3), evidence);
  assertEquals(otherTopic([at(3, null), at(0, null)], null, 4), null);
  // A broker that lags behind may not know of a new partition, but it does know the id.
  assertEquals(otherTopic([at(3, "a")], "a", 3), null);
});

Deno.test("markOf() distinguishes records by offset, time, key and value", () => {
  const bytes = (...values: number[]) => new Uint8Array(values);
  const record = { offset: 7, timestamp: 1_000, key: bytes(1), value: bytes(2), headers: [] };
  const others = [
    { ...record, timestamp: 1_001 },
    { ...record, key: bytes(2) },
    { ...record, value: bytes(1) },
    { ...record, key: bytes(2), value: bytes(1) },
    { ...record, key: null },
    { ...record, key: bytes() },
    { ...record, value: null },
    { ...record, value: bytes() },
  ].map(markOf);
  assertEquals(markOf(record), markOf({ ...record, key: bytes(1) }));
  assertEquals(new Set([markOf(record), ...others].map(({ check }) => check)).size, 9);
});

Deno.test("allowReplaced() allows what auto.offset.reset names, and otherwise throws", () => {
  const settings = (properties: Record<string, string>) => ({
    brokers: ["a:1"] as const,
    topics: ["t"],
    tail: true,
    start: "beginning" as const,
    input: readInputProperties(properties),
  });
  const share = shareOfWorker({ workerIndex: 0, workerCount: 1 });
  const replaced = { topic: "t", evidence: "its id was a, and is b" };
  const { log, warnings } = recordingLog();
  for (const reset of ["earliest", "latest"]) {
    allowReplaced(replaced, settings({ "auto.offset.reset": reset }), share, log);
  }
  const warning = "topic has been deleted and created again: it is read as a new one";
  assertEquals(warnings, [warning, warning]);
  const error = assertThrows(
    () => allowReplaced(replaced, settings({}), share, log),
    TopicReplacedError,
    'topic "t" has been deleted and created again under its name (its id was a, and is b)',
  );
  for (const cure of ["auto.offset.reset", "earliest", "latest", "--from-scratch"]) {
    assertEquals(error.message.includes(cure), true, cure);
  }
});
