import { assertEquals } from "@std/assert";
import { createLog } from "../../../../src/core/log.ts";
import { Throttling } from "../../../../src/connectors/kafka/client/throttling.ts";

Deno.test("Throttling warns once, with the time, and again after a minute without", () => {
  const lines: unknown[] = [];
  let now = 1_000_000;
  const log = createLog((level, _message, fields) => lines.push([level, fields]));
  const throttling = new Throttling(log, () => now);
  throttling.asked("kafka:9092", 250);
  assertEquals(lines, [["warn", { broker: "kafka:9092", pauseMs: 250 }]]);
  // In every request for five minutes, of several brokers.
  for (let i = 0; i < 600; i++) {
    now += 500;
    throttling.asked(i % 2 === 0 ? "kafka:9092" : "other:9092", 400);
  }
  assertEquals(lines.length, 1);
  now += 60_000; // of them 400 ms were asked for
  throttling.asked("kafka:9092", 70_000);
  assertEquals(lines.length, 1);
  now += 70_000 + 59_999;
  throttling.asked("kafka:9092", 1);
  assertEquals(lines.length, 1);
  now += 60_001;
  throttling.asked("kafka:9092", 9);
  assertEquals(lines.slice(1), [["warn", { broker: "kafka:9092", pauseMs: 9 }]]);
});
