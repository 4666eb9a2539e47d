import { assertEquals } from "@std/assert";
import {
  byBroker,
  ConnectionCounts,
} from "../../../../src/connectors/kafka/client/connection_counts.ts";

Deno.test("connections that were made again and pauses are counted by broker", () => {
  const counts = new ConnectionCounts();
  assertEquals(counts.read(), []);
  counts.connected("a:9092");
  counts.throttled("b:9092", 250);
  assertEquals(counts.read(), [
    { to: "a:9092", reconnects: 0, throttledMs: 0 },
    { to: "b:9092", reconnects: 0, throttledMs: 250 },
  ]);
  counts.connected("a:9092");
  counts.connected("a:9092");
  counts.throttled("b:9092", 50);
  assertEquals(counts.read(), [
    { to: "a:9092", reconnects: 2, throttledMs: 0 },
    { to: "b:9092", reconnects: 0, throttledMs: 300 },
  ]);
});

Deno.test("byBroker() adds up what has happened to several connections to a broker", () => {
  const reading = (to: string, reconnects: number, throttledMs: number) => ({
    to,
    reconnects,
    throttledMs,
  });
  assertEquals(byBroker([reading("a:1", 1, 20), reading("b:1", 0, 0), reading("a:1", 3, 5)]), [
    reading("a:1", 4, 25),
    reading("b:1", 0, 0),
  ]);
  assertEquals(byBroker([]), []);
});
