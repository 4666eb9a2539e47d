import { assertEquals, assertRejects } from "@std/assert";
import { eventData, SilentError } from "../../src/client/event_reader.ts";

const stream = (...parts: readonly (string | Uint8Array)[]) =>
  ReadableStream.from(
    parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part),
  );

const LONG = 60_000;

Deno.test("events are read however the stream is cut, and with any line ends", async () => {
  const text =
    `: comment\n\nevent: state\ndata: {"a":"ü"}\n\ndata: 1\r\ndata: 2\r\n\r\n\ndata: cut off`;
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const parts = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, i) => bytes.subarray(i * size, (i + 1) * size),
    );
    const data = await Array.fromAsync(eventData(stream(...parts), LONG));
    assertEquals(data, [`{"a":"ü"}`, "1\n2"]);
  }
});

/** A stream that says something and then nothing, and tells when it is cancelled. */
function quiet() {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
    cancel: () => resolve(),
  });
  return { body, cancelled };
}

Deno.test("a stream that has been silent for too long is an error, and is given up", async () => {
  const { body, cancelled } = quiet();
  const events = eventData(body, 1);
  assertEquals((await events.next()).value, "1");
  await assertRejects(() => events.next(), SilentError);
  await cancelled;
});

Deno.test("a signal, or the end of the loop, gives a stream up", async () => {
  const stop = new AbortController();
  const first = quiet();
  const events = eventData(first.body, LONG, stop.signal);
  assertEquals((await events.next()).value, "1");
  const next = events.next();
  stop.abort();
  assertEquals((await next).done, true);
  await first.cancelled;
  const second = quiet();
  for await (const data of eventData(second.body, LONG)) {
    assertEquals(data, "1");
    break;
  }
  await second.cancelled;
});
