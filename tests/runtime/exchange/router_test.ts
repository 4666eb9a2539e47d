import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { keyGroupOf, ownersOf } from "../../../src/core/key_groups.ts";
import { decodeBatch } from "../../../src/core/value_codec.ts";
import { Channel, type Message } from "../../../src/runtime/channel.ts";
import { decodeFrame } from "../../../src/runtime/exchange/frames.ts";
import { type CreditWindow, RemoteSender } from "../../../src/runtime/exchange/mesh.ts";
import { Router } from "../../../src/runtime/exchange/router.ts";
import type { ExchangeNode } from "../../../src/graph/nodes.ts";

/** A router on worker 0 of several, and what it has sent where. */
function routing(
  route: ExchangeNode["route"],
  workers: number,
  { window = { items: 1000, bytes: 1 << 30 }, longest }: {
    window?: CreditWindow;
    longest?: number;
  } = {},
) {
  const local = new Channel();
  const frames: ReturnType<typeof decodeFrame>[][] = Array.from({ length: workers }, () => []);
  const remote = frames.map((sent, worker) =>
    worker === 0 ? undefined : new RemoteSender(0, window, (bytes) => sent.push(decodeFrame(bytes)))
  );
  const fail = (item: unknown, thrown: unknown) =>
    new Error(`${Deno.inspect(item)}: ${(thrown as Error).message}`);
  const router = new Router(route, { local, localIndex: 0, remote }, fail, longest);
  const localItems: unknown[] = [];
  return {
    router,
    frames,
    /** A worker has taken a batch, and waits for the next. */
    credit: (worker: number) => remote[worker]!.credit(1, true),
    /** The items that have gone to each worker. */
    items(): unknown[][] {
      for (let message: Message | undefined; (message = local.take()) !== undefined;) {
        localItems.push(...message as unknown[]);
      }
      return [
        localItems,
        ...frames.slice(1).map((sent) =>
          sent.flatMap((frame) => frame.kind === "batch" ? decodeBatch(frame.items) : [])
        ),
      ];
    },
  };
}

Deno.test("Router sends each item to the owner of its key, in order", () => {
  const pairs = Array.from({ length: 1_000 }, (_, i): [string, number] => [`k${i % 50}`, i]);
  const { router, items } = routing("key", 3);
  for (let at = 0; at < pairs.length; at += 70) router.push(pairs.slice(at, at + 70));
  const owners = ownersOf(3);
  const expected = [0, 1, 2].map((worker) =>
    pairs.filter(([key]) => owners[keyGroupOf(key)] === worker)
  );
  assertEquals(items(), expected);
  assertEquals(expected.map(({ length }) => length > 0), [true, true, true]);
});

Deno.test("Router does not encode what stays: such an item may be anything", () => {
  const here = Array.from({ length: 50 }, (_, i) => `k${i}`)
    .find((key) => ownersOf(2)[keyGroupOf(key)] === 0)!;
  const pair = [here, () => {}];
  const { router, items, frames } = routing("key", 2);
  router.push([pair]);
  assertEquals(items()[0][0] === pair, true);
  assertEquals(frames[1], []);
});

Deno.test("Router spreads items evenly, batches of any size", () => {
  for (const size of [1, 2, 3, 7, 100]) {
    const { router, items } = routing("spread", 3);
    for (let i = 0; i < 300; i += size) {
      router.push(Array.from({ length: Math.min(size, 300 - i) }, (_, j) => i + j));
    }
    const shares = items();
    assertEquals(shares.map(({ length }) => length), [100, 100, 100], `batches of ${size}`);
    assertEquals(shares.flat().toSorted((a, b) => Number(a) - Number(b)), [...Array(300).keys()]);
  }
});

Deno.test("Router sends control messages to all, after the items", () => {
  const { router, frames } = routing("spread", 3);
  router.push([1, 2, 3]);
  router.push({ kind: "barrier", epoch: 4 });
  for (const sent of frames.slice(1)) {
    assertEquals(sent.map(({ kind }) => kind), ["batch", "barrier"]);
  }
});

Deno.test("Router has the room of the target that has least", () => {
  const { router, items, credit } = routing("spread", 3);
  const shares = (): void => {
    router.offered(3);
    router.push([1, 2, 3]);
  };
  shares();
  assertEquals(router.room, 0);
  items();
  credit(1);
  assertEquals(router.room, 0); // worker 2 has taken nothing
  credit(2);
  assertEquals(router.room, 2); // all took all that they had, and there was more
  shares();
  assertEquals(router.room, 1);
});

Deno.test("Router cuts large batches, so that a frame stays small", () => {
  const { router, frames, items } = routing("spread", 2);
  const text = "x".repeat(300_000);
  router.push(Array.from({ length: 40 }, (_, i) => `${i}${text}`));
  assertEquals(frames[1].length, 5);
  assertEquals(items()[1].length, 20);
});

Deno.test("Router refuses an item that is too large by itself, and not for what goes with it", () => {
  const { router, frames } = routing("spread", 2, { longest: 2 << 20 });
  const [most, more] = [(1 << 20) - 100, (2 << 20) - 100].map((length) => "x".repeat(length));
  router.push([most, more, most, more]); // each worker gets two that are longer together
  assertEquals(frames[1].length, 1);
  const large = "x".repeat((2 << 20) + 1);
  const error = assertThrows(() => router.push([["k", large], ["k", large]]), Error);
  assertStringIncludes(
    error.message,
    "the item takes 2.1 MiB, and no more than 2 MiB can be sent to another worker: make items smaller",
  );
});

Deno.test("Router refuses what cannot be sent, and names the item and what it is", () => {
  class Order {}
  const { router } = routing("spread", 2);
  const push = (item: unknown) => () => router.push([item, item]); // one of them is to be sent
  assertThrows(push({ order: new Order() }), Error, "Order");
  assertThrows(push([() => 1]), Error, "function");
  const keyed = routing("key", 2).router;
  assertThrows(() => keyed.push([["k", 1], [7, 1]]), Error, "needs string keys; got the key 7");
  assertThrows(() => keyed.push(["k"]), Error, `needs [key, value] pairs; got "k"`);
});
