import { assertEquals } from "@std/assert";
import { ItemTraces } from "../../../src/ops/telemetry/item_traces.ts";

const trace = (n: number) =>
  `00-0af7651916cd43dd8448eb211c80319c-${String(n).padStart(16, "0")}-01`;

/** A message with a header as Kafka's input has it. */
function message(traceparent: string): { headers: Record<string, Uint8Array[]> } {
  return { headers: { traceparent: [new TextEncoder().encode(traceparent)] } };
}

Deno.test("the traces of messages are kept by epoch, until they are taken", () => {
  const traces = new ItemTraces();
  traces.read(3, [message(trace(1)), ["key", message(trace(2))], message(trace(1))]);
  traces.read(4, [message(trace(3))]);
  assertEquals(traces.take(3), [trace(1), trace(2)]);
  assertEquals(traces.take(3), []);
  assertEquals(traces.take(5), [trace(3)]);
});

Deno.test("an item that is not a message, or has no trace, is passed over", () => {
  const traces = new ItemTraces();
  const items = [
    1,
    null,
    "text",
    ["key", null],
    { headers: null },
    { headers: {} },
    { headers: { traceparent: [] } },
    { headers: { traceparent: 7 } },
    message("not a trace"),
    { headers: { traceparent: trace(8) } }, // as in records that are written
  ];
  traces.read(1, items);
  assertEquals(traces.take(1), [trace(8)]);
});

Deno.test("sixteen traces of an epoch are kept, and those of the last epochs only", () => {
  const traces = new ItemTraces();
  const many = Array.from({ length: 10 }, (_, n) => message(trace(n + 1)));
  traces.read(1, many);
  traces.read(1, many);
  traces.read(1, Array.from({ length: 10 }, (_, n) => message(trace(n + 101))));
  assertEquals(traces.take(1).length, 16);
  for (let epoch = 2; epoch < 100; epoch++) traces.read(epoch, [message(trace(epoch))]);
  assertEquals(traces.take(100), [trace(96), trace(97), trace(98), trace(99)]);
});

Deno.test("a call within an item's trace returns or throws what the function does", () => {
  const traces = new ItemTraces();
  assertEquals(traces.within(message(trace(1)), () => 5), 5);
  assertEquals(traces.within("no message", () => 6), 6);
});
