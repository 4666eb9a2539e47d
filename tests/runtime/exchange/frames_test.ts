import { assertEquals, assertThrows } from "@std/assert";
import { decodeFrame, encodeFrame, type Frame } from "../../../src/runtime/exchange/frames.ts";
import { FrameSplitter, joinFrames } from "../../../src/runtime/exchange/frame_stream.ts";

const FRAMES: readonly Frame[] = [
  { kind: "batch", exchange: 0, count: 0, items: new Uint8Array() },
  { kind: "batch", exchange: 65_535, count: 4_000_000_000, items: new Uint8Array([1, 2, 3]) },
  { kind: "barrier", exchange: 1, epoch: 2 ** 50 },
  { kind: "end", exchange: 2, stopped: true },
  { kind: "end", exchange: 2, stopped: false },
  { kind: "credit", exchange: 3, batches: 70_000, emptied: true },
  { kind: "credit", exchange: 3, batches: 1, emptied: false },
  { kind: "idle", exchange: 4 },
  { kind: "active", exchange: 65_535 },
];

Deno.test("decodeFrame() gives every frame back", () => {
  for (const frame of FRAMES) assertEquals(decodeFrame(encodeFrame(frame)), frame);
});

Deno.test("decodeFrame() refuses what is cut short, too long or of no kind", () => {
  const refuse = (bytes: Uint8Array) =>
    assertThrows(() => decodeFrame(bytes), Error, "a frame from another worker cannot be read");
  refuse(new Uint8Array());
  refuse(new Uint8Array([9, 0, 0, 0]));
  refuse(new Uint8Array([3, 0, 0, 2]));
  refuse(new Uint8Array([4, 0, 0, 0, 0, 0, 1, 2]));
  for (const frame of FRAMES) {
    const bytes = encodeFrame(frame);
    if (frame.kind === "batch") refuse(bytes.subarray(0, 6));
    else {
      refuse(bytes.subarray(0, bytes.length - 1));
      refuse(new Uint8Array([...bytes, 0]));
    }
  }
});

Deno.test("FrameSplitter finds the frames in a stream that is cut anywhere", () => {
  const frames = [[1], [2, 3, 4], new Array(300).fill(7)].map((bytes) => Uint8Array.from(bytes));
  const stream = joinFrames(frames);
  for (const size of [1, 2, 3, 5, 64, stream.length]) {
    const found: Uint8Array[] = [];
    const splitter = new FrameSplitter((frame) => found.push(frame));
    for (let at = 0; at < stream.length; at += size) {
      const chunk = stream.slice(at, at + size);
      splitter.push(chunk);
      chunk.fill(0xff); // the reader uses its buffer again
    }
    assertEquals(found, frames);
  }
});

Deno.test("FrameSplitter refuses a frame that is longer than any of ours before it makes room", () => {
  const splitter = new FrameSplitter(() => {});
  const claim = (length: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, length);
    return bytes;
  };
  assertThrows(
    () => splitter.push(claim(0xffff_ffff)),
    Error,
    "4294967295 bytes is not one of ours",
  );
  assertThrows(
    () => new FrameSplitter(() => {}).push(claim(0)),
    Error,
    "0 bytes is not one of ours",
  );
});
