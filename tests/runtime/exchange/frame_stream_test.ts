import { assertEquals, assertThrows } from "@std/assert";
import {
  FRAME_ROOM,
  FrameSplitter,
  joinFrames,
} from "../../../src/runtime/exchange/frame_stream.ts";
import { LONGEST_FRAME } from "../../../src/runtime/exchange/frames.ts";

/** A frame's length, as it stands before it. */
function head(length: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_ROOM);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

/** What a splitter makes of a stream that comes in parts of `part` bytes. */
function split(stream: Uint8Array, part: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const splitter = new FrameSplitter((frame) => frames.push(frame));
  for (let at = 0; at < stream.length; at += part) splitter.push(stream.subarray(at, at + part));
  return frames;
}

Deno.test("FrameSplitter gives frames of all lengths back, however they are cut", () => {
  const lengths = [1, 5, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3, (5 << 20) + 7];
  const frames = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
  for (const part of [65_536, 65_537, 1 << 20, 20 << 20]) {
    const found = split(joinFrames(frames), part);
    assertEquals(found.map(({ length }) => length), lengths);
    for (const [i, frame] of found.entries()) {
      assertEquals([frame.every((byte) => byte === i + 1), frame.buffer.byteLength], [
        true,
        lengths[i],
      ]);
    }
  }
  assertEquals(split(joinFrames(frames.slice(0, 2)), 1), frames.slice(0, 2));
});

Deno.test("FrameSplitter takes memory for bytes that have come, and not for a length", () => {
  const before = Deno.memoryUsage().external;
  const splitters = Array.from({ length: 20 }, () => new FrameSplitter(() => {}));
  for (const splitter of splitters) splitter.push(Uint8Array.of(...head(LONGEST_FRAME), 1, 2, 3));
  const taken = Deno.memoryUsage().external - before;
  assertEquals(taken < 40 << 20, true, `${taken} bytes`); // not 5 GB
  assertEquals(splitters.length, 20); // they are still there
});

Deno.test("FrameSplitter refuses lengths that no frame has", () => {
  for (const length of [0, LONGEST_FRAME + 1, 0xffffffff]) {
    assertThrows(
      () => new FrameSplitter(() => {}).push(head(length)),
      Error,
      `a frame of ${length} bytes is not one of ours`,
    );
  }
});
