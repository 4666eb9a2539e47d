import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { DamageError } from "../../../src/connectors/kafka/damage.ts";
import { createBroker, type KafkaBroker } from "../../../src/connectors/kafka/kafkajs.ts";
import { readInputProperties } from "../../../src/connectors/kafka/properties.ts";
import { ResponseFrames } from "../../../src/connectors/kafka/response_frames.ts";
import { testPlace } from "../../support/place.ts";

function frame(length: number, body: number): Buffer {
  const bytes = Buffer.alloc(4 + body);
  bytes.writeInt32BE(length);
  return bytes;
}

Deno.test("ResponseFrames finds a wrong length wherever the bytes are cut", () => {
  const fine = Buffer.concat([frame(4, 4), frame(300, 300), frame(70_000, 70_000)]);
  const wrong = Buffer.concat([fine, frame(3, 3)]);
  for (const size of [1, 2, 3, 5, 100, 70_001, wrong.length]) {
    const pieces = (bytes: Buffer) => {
      const frames = new ResponseFrames();
      for (let at = 0; at < bytes.length; at += size) frames.receive(bytes.subarray(at, at + size));
    };
    pieces(fine);
    assertThrows(() => pieces(wrong), DamageError, "a length of 3 bytes");
  }
});

/** A broker at a listener, not connected yet. */
function brokerAt(listener: Deno.TcpListener): Promise<KafkaBroker> {
  return createBroker(
    { host: "127.0.0.1", port: listener.addr.port },
    readInputProperties({}),
    { log: testPlace().log, onSocket: () => {}, onThrottled: () => {} },
  );
}

/** Takes a connection, and answers its first request; `request` is the request's number. */
async function serve(
  listener: Deno.TcpListener,
  answer: (request: Uint8Array) => Buffer,
  untilHungUp = true,
): Promise<void> {
  using connection = await listener.accept();
  const received = new Uint8Array(1_000);
  await connection.read(received);
  await connection.write(answer(received.slice(8, 12)));
  if (untilHungUp) await connection.read(received);
}

for (const length of [-(2 ** 31), -12, -1, 0, 3]) {
  Deno.test(`an answer with a length of ${length} ends the request with an error`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = serve(listener, (request) => Buffer.concat([frame(length, 0), request]));
    const broker = await brokerAt(listener);
    const error = await assertRejects(() => broker.connect(), Error);
    assertStringIncludes(error.message, `an answer of the broker has a length of ${length} bytes`);
    await broker.disconnect();
    await serving;
  });
}

Deno.test("what came of an answer before a connection was lost is not part of the next", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broker = await brokerAt(listener);
  const half = serve(listener, () => frame(1_000, 20), false);
  await assertRejects(() => broker.connect(), Error);
  await half;
  // No error, and one request that it knows: ApiVersions (18), from version 0 to 2.
  const body = Buffer.from([0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2]);
  const whole = serve(listener, (request) => Buffer.concat([frame(16, 0), request, body]));
  await broker.connect();
  assertEquals(broker.versions[18], { minVersion: 0, maxVersion: 2 });
  await broker.disconnect();
  await whole;
});
