import { assertEquals } from "@std/assert";
import { EventStreams, eventText } from "../../src/ops/event_stream.ts";

/** Reads the next text of a stream; `null` at its end. */
function reading(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  return {
    next: async () => {
      const { value, done } = await reader.read();
      return done ? null : new TextDecoder().decode(value);
    },
    cancel: () => reader.cancel(),
  };
}

Deno.test("an event is one line of data, whatever it holds", () => {
  assertEquals(eventText({ a: "x\n\ny" }), `data: {"a":"x\\n\\ny"}\n\n`);
  assertEquals(eventText(null, "state"), "event: state\ndata: null\n\n");
});

Deno.test("a stream is read an event at a time, and ends with its source", async () => {
  const streams = new EventStreams();
  let made = 0;
  const body = streams.open(async function* () {
    for (const text of ["a", "b"]) {
      made++;
      yield text;
    }
  });
  assertEquals(streams.size, 0);
  const { next } = reading(body);
  assertEquals([await next(), made, streams.size], ["a", 1, 1]); // nothing is made ahead
  assertEquals([await next(), await next(), streams.size], ["b", null, 0]);
});

Deno.test("the source of a stream ends when the client leaves", async () => {
  const streams = new EventStreams();
  const ended = Promise.withResolvers<void>();
  const { next, cancel } = reading(streams.open(async function* (signal) {
    try {
      yield "a";
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    } finally {
      ended.resolve();
    }
  }));
  assertEquals(await next(), "a");
  const waiting = next();
  await cancel();
  await ended.promise;
  assertEquals([await waiting, streams.size], [null, 0]);
});

Deno.test("streams end when the server does, also new ones", async () => {
  const streams = new EventStreams();
  const events = async function* (signal: AbortSignal) {
    yield "a";
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve());
    });
  };
  const { next } = reading(streams.open(events));
  assertEquals(await next(), "a");
  const waiting = next();
  await streams.close();
  assertEquals([await waiting, streams.size], [null, 0]);
  const late = reading(streams.open(events));
  assertEquals([await late.next(), await late.next()], ["a", null]);
});

Deno.test("a quiet stream sends comments, and loses no event by that", async () => {
  const streams = new EventStreams(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  const { next } = reading(streams.open(async function* () {
    yield await promise;
  }));
  assertEquals([await next(), await next()], [":\n\n", ":\n\n"]);
  resolve("a");
  let text = await next();
  while (text === ":\n\n") text = await next();
  assertEquals([text, await next()], ["a", null]);
});

Deno.test("a source that fails ends its stream", async () => {
  const streams = new EventStreams();
  const { next } = reading(
    // deno-lint-ignore require-yield
    streams.open(async function* () {
      await Promise.resolve();
      throw new Error("failed");
    }),
  );
  assertEquals([await next(), streams.size], [null, 0]);
});
