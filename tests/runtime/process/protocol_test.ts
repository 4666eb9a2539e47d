import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeMessages,
  encodeMessage,
  type ToCoordinator,
  type ToWorker,
} from "../../../src/runtime/process/protocol.ts";

type Message = ToWorker | ToCoordinator;

const STEPS = [{ stepId: "in", kind: "input", in: 0, out: 3 }] as const;
const ERROR = {
  name: "TypeError",
  message: "two\nlines",
  stack: "TypeError: two\nlines\n    at x",
};

/** One of each message. A kind that is missing here, or is too many, does not compile. */
const MESSAGES: { readonly [K in Message["kind"]]: Extract<Message, { kind: K }> } = {
  load: {
    kind: "load",
    index: 1,
    count: 2,
    moduleUrl: "file:///flow.ts",
    exportName: null,
    logLevel: "info",
  },
  plan: { kind: "plan" },
  open: {
    kind: "open",
    epoch: 7,
    plans: { in: { files: ["a.txt"] } },
    mesh: { addresses: [{ unix: "/tmp/x/worker-0" }, { port: 7 }], token: "0f" },
  },
  run: { kind: "run", statusMs: 250 },
  abort: { kind: "abort" },
  ping: { kind: "ping" },
  closeEpoch: { kind: "closeEpoch", epoch: 7 },
  commitEpoch: { kind: "commitEpoch", epoch: 7 },
  stop: { kind: "stop" },
  finish: { kind: "finish", epoch: 8 },
  hello: { kind: "hello", version: 1, token: "0f" },
  loaded: { kind: "loaded", flow: "größe \u2028\r", steps: ["in", "map-1"], mesh: null },
  planned: { kind: "planned", plans: {} },
  opened: { kind: "opened" },
  pong: { kind: "pong" },
  epochClosed: { kind: "epochClosed", epoch: 7 },
  stopRequested: { kind: "stopRequested" },
  status: {
    kind: "status",
    steps: STEPS,
    progress: { done: 1, total: 2, unit: "items" },
    waitingFor: ["broker"],
  },
  log: { kind: "log", level: "warn", message: "a\nb", fields: { lag: 3, topic: null } },
  ended: { kind: "ended", stopped: true },
  finished: { kind: "finished", steps: STEPS },
  failed: {
    kind: "failed",
    failure: { usage: false, step: { stepId: "in", item: "1" }, causes: [ERROR] },
  },
};

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) yield await bytes.slice(at, at + size);
}

/** What is decoded of some text, sent in chunks of `size` bytes. */
function decode(text: string, size = 1 << 16): Promise<Message[]> {
  return Array.fromAsync(decodeMessages<Message>(chunked(new TextEncoder().encode(text), size)));
}

Deno.test("encodeMessage() makes one line of each message", () => {
  for (const message of Object.values(MESSAGES)) {
    const text = new TextDecoder().decode(encodeMessage(message));
    assertEquals(text.indexOf("\n"), text.length - 1);
  }
});

for (const size of [1, 3, 64, 1 << 16]) {
  Deno.test(`decodeMessages() gives all messages back, from chunks of ${size} bytes`, async () => {
    const messages = Object.values(MESSAGES);
    const text = messages.map((message) => new TextDecoder().decode(encodeMessage(message))).join(
      "",
    );
    assertEquals(await decode(text, size), messages);
  });
}

Deno.test("decodeMessages() gives a message as soon as its line is whole", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const messages = decodeMessages<Message>(readable);
  void writer.write(encodeMessage(MESSAGES.stop));
  assertEquals((await messages.next()).value, MESSAGES.stop);
  void writer.close();
  assertEquals((await messages.next()).done, true);
});

Deno.test("decodeMessages() drops a last line that was never finished", async () => {
  assertEquals(await decode(`{"kind":"stop"}\n{"kind":"st`), [MESSAGES.stop]);
});

Deno.test("decodeMessages() refuses what is no message, and does not quote it", async () => {
  await assertRejects(() => decode("GET / HTTP/1.1\n"), Error, "a control message is not JSON");
  await assertRejects(() => decode("\n"), Error, "a control message is not JSON");
  for (const line of ["null", "7", "[]", "{}", `{"kind":1}`]) {
    await assertRejects(() => decode(line + "\n"), Error, "a control message has no kind");
  }
});

Deno.test("decodeMessages() refuses a line without end before it has taken much of it", async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      taken += 1 << 20;
      yield await new Uint8Array(1 << 20).fill(0x78);
    }
  }
  const first = () => decodeMessages<Message>(endless()).next();
  await assertRejects(first, Error, "a control message is too long");
  assertEquals(taken <= 17 << 20, true);
});
