import { assertEquals } from "@std/assert";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "millrace";
import { type KafkaMessage, toMessage } from "../../../../src/connectors/kafka/message.ts";
import type { KafkaRecord } from "../../../../src/connectors/kafka/output_item.ts";
import { wireHeaders } from "../../../../src/connectors/kafka/write/headers.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const HEADERS: [string, Uint8Array][] = [
  ["traceparent", bytes("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
  ["hop", bytes("a")],
  ["tracestate", bytes("vendor=opaque")],
];

const MESSAGE: KafkaMessage = toMessage(
  {
    key: bytes("k"),
    value: bytes("5"),
    timestamp: 1,
    offset: 7,
    headers: HEADERS,
  } as unknown as Parameters<typeof toMessage>[0],
  "orders",
  0,
);

/** The headers of what a flow writes, as text. */
async function written(change: (message: KafkaMessage) => Promise<KafkaRecord>): Promise<unknown> {
  const out: KafkaRecord[] = [];
  const flow = new Dataflow("handed-on").input("in", new TestingInputConfig([MESSAGE]))
    .mapAsync(change)
    .capture(new TestingOutputConfig(out));
  await run(flow);
  return wireHeaders(out[0]).map((pair) =>
    pair.map((part) => new TextDecoder().decode(part as Uint8Array))
  );
}

const AS_READ = HEADERS.map(([name, value]) => [name, new TextDecoder().decode(value)]);

Deno.test("a message that goes on has the trace context that it came with", async () => {
  assertEquals(await written((message) => Promise.resolve(message)), AS_READ);
  assertEquals(
    await written((message) => Promise.resolve({ ...message, value: bytes("6") })),
    AS_READ,
  );
});

Deno.test("a new record has the trace context if it is given the headers", async () => {
  const { traceparent, tracestate } = MESSAGE.headers;
  assertEquals(
    await written(() =>
      Promise.resolve({ value: bytes("6"), headers: { traceparent, tracestate } })
    ),
    [AS_READ[0], AS_READ[2]],
  );
});
