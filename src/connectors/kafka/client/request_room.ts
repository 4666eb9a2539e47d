/**
 * Lets KafkaJS write the head of a request in front of its body, if there is room for it.
 *
 * KafkaJS copies a body twice, each time into zeros that it has made before, up to twice as many as
 * needed. That takes longer than encoding records.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type Encoder from "./kafkajs_encoder_types.ts";

/** What an encoder adds: bytes, and how many free ones are in front of them. */
interface Written {
  readonly buf: Buffer;
  readonly buffer: Buffer;
  readonly room?: number;
}

/** Replaces the method that copies. Without room, it still does. */
export function useRoomInFront(prototype: Encoder): void {
  const copy = prototype.writeEncoder;
  prototype.writeEncoder = function (this: Encoder & { room?: number }, value: Written) {
    const { buffer, room = 0 } = value;
    if (room < this.offset) return copy.call(this, value);
    const head = this.buffer;
    const start = buffer.byteOffset - head.length;
    const whole: Buffer = Buffer.from(buffer.buffer, start, head.length + buffer.length);
    whole.set(head);
    this.buf = whole;
    this.offset = whole.length;
    this.room = room - head.length;
    return this;
  };
}
