import { assertEquals } from "@std/assert";
import { ConnectionCounts } from "../../../../src/connectors/kafka/client/connection_counts.ts";

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
