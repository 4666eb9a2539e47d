/**
 * Frames in a stream of bytes: each after its length, 4 bytes, big-endian.
 *
 * @module
 */
import { counted } from "../../core/counted.ts";
import { LONGEST_FRAME } from "./frames.ts";

/** Bytes that come before each frame. */
export const FRAME_ROOM = 4;

/** A frame gets memory as its bytes come, beginning with this many: a length is only a claim. */
const FIRST_BYTES = 1 << 20;

/** Cuts a stream into frames, each with memory of its own. */
export class FrameSplitter {
  readonly #take: (frame: Uint8Array) => void;
  readonly #length = new Uint8Array(FRAME_ROOM);
  #lengthFilled = 0;
  #frame: Uint8Array | null = null; // as much of it as there is memory for yet
  #frameLength = 0;
  #filled = 0;

  /** `take` gets each frame as soon as it is whole. */
  constructor(take: (frame: Uint8Array) => void) {
    this.#take = take;
  }

  /**
   * Adds the next bytes.
   *
   * @throws {Error} If a frame would be longer than any of ours.
   */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#frame === null) {
        while (this.#lengthFilled < FRAME_ROOM && at < bytes.length) {
          this.#length[this.#lengthFilled++] = bytes[at++];
        }
        if (this.#lengthFilled < FRAME_ROOM) return;
        this.#begin();
      }
      let frame = this.#frame!;
      if (this.#filled === frame.length) frame = this.#grow(frame);
      const part = bytes.subarray(at, at + frame.length - this.#filled);
      frame.set(part, this.#filled);
      at += part.length;
      this.#filled += part.length;
      if (this.#filled === this.#frameLength) this.#end(frame);
    }
  }

  #begin(): void {
    const length = new DataView(this.#length.buffer).getUint32(0);
    if (length === 0 || length > LONGEST_FRAME) {
      throw new Error(`a frame of ${counted(length, "byte")} is not one of ours`);
    }
    this.#frame = new Uint8Array(Math.min(length, FIRST_BYTES));
    this.#frameLength = length;
    this.#filled = 0;
  }

  #grow(frame: Uint8Array): Uint8Array {
    const larger = new Uint8Array(Math.min(this.#frameLength, 2 * frame.length));
    larger.set(frame);
    return this.#frame = larger;
  }

  #end(frame: Uint8Array): void {
    this.#frame = null;
    this.#lengthFilled = 0;
    this.#take(frame);
  }
}

/**
 * A frame as it goes over the wire: `bytes` with {@linkcode FRAME_ROOM} before it, which is filled.
 */
export function setLength(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, bytes.length - FRAME_ROOM);
  return bytes;
}

/** Frames as they go over the wire, in one piece. */
export function joinFrames(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = frames.reduce((sum, frame) => sum + FRAME_ROOM + frame.length, 0);
  const joined = new Uint8Array(bytes);
  const view = new DataView(joined.buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint32(at, frame.length);
    joined.set(frame, at + FRAME_ROOM);
    at += FRAME_ROOM + frame.length;
  }
  return joined;
}
