import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
// @ts-types="../../../../src/connectors/kafka/client/kafkajs_encoder_types.ts"
import Encoder from "kafkajs/src/protocol/encoder.js";
import { useRoomInFront } from "../../../../src/connectors/kafka/client/request_room.ts";

/** An encoder of its own, as KafkaJS's is changed for the whole process. */
class Changed extends Encoder {}
Changed.prototype.writeEncoder = Encoder.prototype.writeEncoder;
useRoomInFront(Changed.prototype);

const BODY = Buffer.from("the body");

/** A body with free bytes in front of it, in memory that others use as well. */
function bodyWith(room: number): { buf: Buffer; buffer: Buffer; room: number; memory: Buffer } {
  const memory: Buffer = Buffer.alloc(100 + room + BODY.length + 100, 0xee);
  const buffer = memory.subarray(100 + room, 100 + room + BODY.length);
  buffer.set(BODY);
  return { buf: buffer, buffer, room, memory };
}

/** What KafkaJS makes of a request: a head before the body, and the length before that. */
function requestOf(body: { buf: Buffer; buffer: Buffer }): Encoder {
  const inner = new Changed();
  inner.buf.write("head");
  inner.offset = 4;
  inner.writeEncoder(body);
  const outer = new Changed();
  outer.buf.writeInt32BE(inner.buffer.length);
  outer.offset = 4;
  return outer.writeEncoder(inner);
}

const WHOLE = Buffer.concat([Buffer.of(0, 0, 0, 12), Buffer.from("headthe body")]);

for (const room of [0, 3, 4, 7, 8, 9, 50]) {
  Deno.test(`a request is the same with room for ${room} bytes in front of its body`, () => {
    const body = bodyWith(room);
    assertEquals(requestOf(body).buffer, WHOLE);
    // Nothing else is written to.
    assertEquals(body.memory.subarray(0, 100), Buffer.alloc(100, 0xee));
    assertEquals(body.memory.subarray(-100), Buffer.alloc(100, 0xee));
    assertEquals(body.buffer, BODY);
  });
}

Deno.test("with enough room, the body is not copied", () => {
  const body = bodyWith(8);
  const { buffer } = requestOf(body);
  assertEquals([buffer.buffer === body.memory.buffer, buffer.length], [true, WHOLE.length]);
  assertEquals(requestOf(bodyWith(3)).buffer.buffer === body.memory.buffer, false);
});
