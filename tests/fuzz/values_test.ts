import { assert, assertEquals, assertThrows } from "@std/assert";
import { BatchEncoder, decodeBatch, decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import { readKeys, writeKeys } from "../../src/recovery/sqlite/block.ts";
import { FrameSplitter, joinFrames } from "../../src/runtime/exchange/frame_stream.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../src/runtime/exchange/frames.ts";
import { decodeMessage } from "../../src/runtime/process/protocol.ts";
import { changed, fuzz } from "../support/values/fuzzing.ts";
import { randomText, randomValue } from "../support/values/random_value.ts";

/** The memory of the heap and of buffers, in bytes. */
function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Reads within a limit of memory, or throws an error with one of these words. */
function readOrRefuse(read: () => unknown, words: RegExp, most = 16 << 20): void {
  const before = memory();
  try {
    read();
  } catch (error) {
    const { message } = error as Error;
    assert(words.test(message), message);
  }
  assert(memory() - before < most, `${memory() - before} bytes`);
}

fuzz("values that were changed are read or refused", (random) => {
  const bytes = changed(encodeValue(randomValue(random)), random);
  readOrRefuse(() => decodeValue(bytes), /^cannot decode bytes: /);
  readOrRefuse(() => decodeMessage(bytes), /^cannot decode bytes: |^a control message has no kind/);
}, 0.3);

fuzz("batches of values that were changed are read or refused", (random) => {
  const encoder = new BatchEncoder();
  for (let count = random.below(20); count >= 0; count--) encoder.write(randomValue(random));
  const bytes = changed(encoder.take(), random);
  readOrRefuse(() => decodeBatch(bytes), /^cannot decode bytes: /);
}, 0.05);

fuzz("frames between processes that were changed are read or refused", (random) => {
  const frames: Frame[] = [
    { kind: "batch", exchange: 1, count: 3, items: encodeValue(randomText(random)) },
    { kind: "barrier", exchange: random.below(9), epoch: random.below(1_000) },
    { kind: "end", exchange: 2, stopped: random.below(2) === 0 },
    { kind: "credit", exchange: 2, batches: random.below(9), emptied: true },
    { kind: "idle", exchange: 5 },
  ];
  const bytes = changed(joinFrames(frames.map(encodeFrame)), random);
  const read: Frame[] = [];
  const splitter = new FrameSplitter((frame) => read.push(decodeFrame(frame)));
  readOrRefuse(
    () => {
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + random.below(20);
        splitter.push(bytes.subarray(at, end));
        at = end;
      }
    },
    /^a frame /,
    2 << 20, // a frame gets 1 MiB at first, however much it claims
  );
});

fuzz("stored keys that were changed are refused", (random) => {
  const keys = Array.from({ length: 1 + random.below(9) }, () => randomText(random));
  const { crc, value } = writeKeys(128, keys);
  assertEquals(readKeys(128, { crc, value }), keys);
  const other = new TextDecoder().decode(changed(new TextEncoder().encode(value), random));
  if (other !== value) assertThrows(() => readKeys(128, { crc, value: other }), Error);
});
