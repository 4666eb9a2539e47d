import { assertEquals, assertStrictEquals } from "@std/assert";
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

Deno.test("Channel has room until half of its limit is used, and takes more all the same", () => {
  const channel = new Channel({ first: 8192 });
  assertEquals(channel.room, 8192);
  for (let n = 0; n < 4; n++) channel.push(thousand());
  assertEquals(channel.room, 4192);
  channel.push(thousand());
  assertEquals(channel.room, 0);
  channel.push(thousand());
  channel.take();
  assertEquals(channel.room, 0);
  channel.take();
  assertEquals(channel.room, 4192);
});

Deno.test("Channel has room for one item before anything is known of who takes from it", () => {
  const channel = new Channel();
  assertEquals(channel.room, 1);
  channel.push(["a"]);
  assertEquals(channel.room, 0);
});

Deno.test("Channel gives no more of a batch than is asked for, and keeps the rest in order", () => {
  const channel = new Channel();
  channel.push([1, 2, 3, 4]);
  channel.push([5]);
  channel.push({ kind: "barrier", epoch: 0 });
  assertEquals(
    [channel.take(3), channel.take(3), channel.take(3), channel.take(3)],
    [[1, 2, 3], [4, 5], { kind: "barrier", epoch: 0 }, undefined],
  );
});

Deno.test("Channel joins batches up to what is asked for, but not past a control message", () => {
  const channel = new Channel();
  channel.push([1]);
  channel.push([2, 3]);
  channel.push({ kind: "barrier", epoch: 0 });
  channel.push([4]);
  assertEquals(
    [channel.take(2), channel.take(9), channel.take(9), channel.take(9)],
    [[1, 2], [3], { kind: "barrier", epoch: 0 }, [4]],
  );
  assertEquals(channel.take(9), undefined);
});

Deno.test("Channel gives a batch as it was put in where it is all that is asked for, or nothing is said", () => {
  const [first, second] = [[1, 2], [3]];
  const channel = new Channel();
  channel.push(first);
  channel.push(second);
  assertStrictEquals(channel.take(2), first);
  channel.push(first);
  assertStrictEquals(channel.take(), second);
  assertStrictEquals(channel.take(9), first);
});

Deno.test("Channel is full of few items when they are large", () => {
  const channel = new Channel({ first: 8192 });
  channel.push([new Uint8Array(5 << 20)]);
  assertEquals(channel.room, 1);
  channel.push([new Uint8Array(5 << 20)]);
  assertEquals(channel.room, 0);
  channel.take();
  assertEquals(channel.room, 1);
});

Deno.test("Channel has room for control messages when it counts items", () => {
  const channel = new Channel();
  for (let epoch = 0; epoch < 10_000; epoch++) channel.push({ kind: "barrier", epoch });
  assertEquals(channel.room, 1);
});

Deno.test("isBatch() tells items from control messages", () => {
  assertEquals(isBatch([]), true);
  assertEquals(isBatch({ kind: "end", stopped: true }), false);
});

const idle = { kind: "idle" } as const;

Deno.test("Channel gives activity in order with the data, and each once", () => {
  const channel = new Channel();
  for (const message of [idle, idle, [1], idle, { kind: "barrier", epoch: 0 } as const, idle]) {
    channel.push(message);
  }
  const taken = Array.from({ length: 5 }, () => channel.take());
  assertEquals(taken, [idle, [1], idle, { kind: "barrier", epoch: 0 }, undefined]);
});

Deno.test("Channel has room for activity when it is full, and is not fuller for it", () => {
  const channel = new Channel({ first: 8192 });
  channel.push(new Array(8192).fill(0));
  channel.push(idle);
  assertEquals(channel.room, 0);
  channel.take();
  assertEquals([channel.room, channel.empty, channel.take()], [8192, false, idle]);
});
