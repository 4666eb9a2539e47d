import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { DamageError } from "../../../../src/connectors/kafka/wire/damage.ts";
import { createBroker, type KafkaBroker } from "../../../../src/connectors/kafka/client/kafkajs.ts";
import { sendRequest } from "../../../../src/connectors/kafka/wire/request.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import {
  mostAnswerBytes,
  ResponseFrames,
} from "../../../../src/connectors/kafka/client/response_frames.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

function frame(length: number, body: number): Buffer {
  const bytes = Buffer.alloc(4 + body);
  bytes.writeInt32BE(length);
  return bytes;
}

Deno.test("ResponseFrames finds a wrong length wherever the bytes are cut", () => {
  const fine = Buffer.concat([frame(4, 4), frame(300, 300), frame(70_000, 70_000)]);
  const wrong = Buffer.concat([fine, frame(3, 3)]);
  const large = Buffer.concat([fine, frame(70_001, 0)]);
  for (const size of [1, 2, 3, 5, 100, 70_001, wrong.length]) {
    const pieces = (bytes: Buffer) => {
      const frames = new ResponseFrames();
      for (let at = 0; at < bytes.length; at += size) {
        frames.receive(bytes.subarray(at, at + size), 70_000);
      }
    };
    pieces(fine);
    assertThrows(() => pieces(wrong), DamageError, "a length of 3 bytes");
    assertThrows(() => pieces(large), DamageError, "70001 bytes, more than the 70000 that it can");
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

/** Accepts a connection, and answers its first request; `request` is the request's number. */
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

/** The body of an answer that accepts one request: ApiVersions (18), from version 0 to 2. */
const VERSIONS = Buffer.from([0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2]);

Deno.test("a first answer of more than 1 MiB is refused, with the address and what to check", async () => {
  const HTTP = Buffer.from("HTTP").readInt32BE();
  const TLS_ALERT = 0x15_03_03_00;
  for (const length of [(1 << 20) + 1, 0x7fff_ffff, HTTP, TLS_ALERT]) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = serve(listener, () => frame(length, 0));
    const broker = await brokerAt(listener);
    const { message } = await assertRejects(() => broker.connect(), Error);
    assertStringIncludes(message, `127.0.0.1:${listener.addr.port}: an answer of the broker has`);
    assertStringIncludes(message, "check that a Kafka broker listens there");
    await broker.disconnect();
    await serving;
  }
});

Deno.test("a later answer of a broker may be as large as the request allows, plus one batch", async () => {
  const most = mostAnswerBytes(readInputProperties({}).fetchMaxBytes);
  assertEquals(mostAnswerBytes(), most); // the usual records are less than other answers may be
  assert(most >= 100_000_000 + (256 << 20) && most < 2 ** 30);
  assertEquals(mostAnswerBytes(2_000_000_000), 2_000_000_000 + (256 << 20));
  for (const [length, isRefused] of [[most, false], [most + 1, true]] as const) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const broker = await brokerAt(listener);
    const serving = (async () => {
      using connection = await listener.accept();
      const received = new Uint8Array(1_000);
      await connection.read(received);
      const request = received.slice(8, 12);
      await connection.write(Buffer.concat([frame(16, 0), request, VERSIONS]));
      await connection.read(received);
      await connection.write(Buffer.concat([frame(length, 0), received.slice(8, 12)]));
      if (isRefused) await connection.read(received);
    })();
    await broker.connect();
    const asked = sendRequest(broker, {
      apiKey: 18,
      apiName: "ApiVersions",
      oldest: 0,
      newest: 0,
      encode: () => Buffer.alloc(0),
      decode: () => ({ clientSideThrottleTime: 0 }),
    });
    const { message } = await assertRejects(() => asked, Error);
    const refused = `a length of ${length} bytes, more than the ${most} that it can have`;
    assertEquals(message.includes(refused), isRefused, message); // else the connection was closed
    await broker.disconnect();
    await serving;
  }
});

Deno.test("the part of an answer before a connection was lost is not part of the next answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broker = await brokerAt(listener);
  const half = serve(listener, () => frame(1_000, 20), false);
  await assertRejects(() => broker.connect(), Error);
  await half;
  const whole = serve(listener, (request) => Buffer.concat([frame(16, 0), request, VERSIONS]));
  await broker.connect();
  assertEquals(broker.versions[18], { minVersion: 0, maxVersion: 2 });
  await broker.disconnect();
  await whole;
});
