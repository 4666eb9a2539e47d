import { assertEquals } from "@std/assert";
import { Channel, isBatch } from "../../src/runtime/channel.ts";

const thousand = (): number[] => Array.from({ length: 1_000 }, (_, i) => i);

Deno.test("Channel gives messages in the order in which they came", () => {
  const channel = new Channel();
  channel.push([1, 2]);
  channel.push({ kind: "barrier", epoch: 0 });
  channel.push([3]);
  channel.push({ kind: "end", stopped: false });
  assertEquals(
    [channel.take(), channel.take(), channel.take(), channel.take(), channel.take()],
    [[1, 2], { kind: "barrier", epoch: 0 }, [3], { kind: "end", stopped: false }, undefined],
  );
});

Deno.test("Channel is empty when all has been taken, control messages too", () => {
  const channel = new Channel();
  assertEquals(channel.empty, true);
  channel.push({ kind: "barrier", epoch: 0 });
  assertEquals(channel.empty, false);
  channel.take();
  assertEquals(channel.empty, true);
});

Deno.test("Channel is full when it holds 8192 items, and takes more all the same", () => {
  const channel = new Channel();
  for (let n = 0; n < 8; n++) channel.push(thousand());
  assertEquals(channel.full, false);
  channel.push(thousand());
  assertEquals(channel.full, true);
  channel.push(thousand());
  channel.take();
  assertEquals(channel.full, true);
  channel.take();
  assertEquals(channel.full, false);
});

Deno.test("Channel has room for control messages when it counts items", () => {
  const channel = new Channel();
  for (let epoch = 0; epoch < 10_000; epoch++) channel.push({ kind: "barrier", epoch });
  assertEquals(channel.full, false);
});

Deno.test("isBatch() tells items from control messages", () => {
  assertEquals(isBatch([]), true);
  assertEquals(isBatch({ kind: "end", stopped: true }), false);
});
