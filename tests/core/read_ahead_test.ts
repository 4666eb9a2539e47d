import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ReadAhead, type ReadAheadBounds } from "../../src/core/read_ahead.ts";
import { idle } from "../support/eventually.ts";

/** A buffer of texts, whose size is their length. */
function buffer(bounds: Partial<ReadAheadBounds> = {}): ReadAhead<string> {
  return new ReadAhead({ items: Infinity, size: Infinity, ...bounds }, ({ length }) => length);
}

/** Returns a function that tells whether the promise has resolved by now. */
function watched(promise: Promise<void>): () => Promise<boolean> {
  let isResolved = false;
  promise.then(() => isResolved = true);
  return async () => {
    await idle();
    return isResolved;
  };
}

Deno.test("a read-ahead buffer gives its items in order, up to as many as are asked for", () => {
  const ahead = buffer();
  for (const item of ["a", "b", "c", "d"]) ahead.put(item);
  assertEquals([ahead.first, ahead.length], ["a", 4]);
  assertEquals(ahead.take(1), ["a"]);
  assertEquals(ahead.first, "b");
  assertEquals(ahead.take(2), ["b", "c"]);
  ahead.put("e");
  assertEquals(ahead.take(Infinity), ["d", "e"]);
  assertEquals([ahead.first, ahead.length, ahead.take(5)], [undefined, 0, []]);
});

Deno.test("a read-ahead buffer is full by the number of its items, and by their size", () => {
  const byItems = buffer({ items: 2 });
  byItems.put("a");
  assert(byItems.hasRoom);
  byItems.put("");
  assert(!byItems.hasRoom);
  byItems.take(1);
  assert(byItems.hasRoom);

  const bySize = buffer({ size: 3 });
  bySize.put("ab");
  assert(bySize.hasRoom);
  bySize.put("cd");
  assert(!bySize.hasRoom);
  bySize.take(1);
  assert(bySize.hasRoom, "two of four are gone");
  bySize.put("long");
  bySize.take(Infinity);
  assert(bySize.hasRoom);
});

Deno.test("an item that has been read is kept where there is no room", () => {
  const ahead = buffer({ items: 1 });
  ahead.put("a");
  ahead.put("b");
  assertEquals(ahead.take(2), ["a", "b"]);
});

Deno.test("room resolves at once if there is room, else when the reader has taken enough", async () => {
  const ahead = buffer({ items: 2 });
  await ahead.room();
  for (const item of ["a", "b", "c"]) ahead.put(item);
  const hasRoom = watched(ahead.room());
  ahead.take(1);
  assert(!await hasRoom(), "two still wait");
  ahead.take(1);
  assert(await hasRoom());
});

Deno.test("room resolves when the bounds grow", async () => {
  const ahead = buffer({ items: 1 });
  ahead.put("a");
  const hasRoom = watched(ahead.room());
  assert(!await hasRoom());
  ahead.limitTo({ items: 2, size: Infinity });
  assert(await hasRoom());
});

Deno.test("ready resolves at once if an item waits, else when one comes", async () => {
  const ahead = buffer();
  const isReady = watched(ahead.ready());
  assert(!await isReady());
  ahead.put("a");
  assert(await isReady());
  await ahead.ready();
});

Deno.test("the end comes after the items, and wakes the reader", async () => {
  const ahead = buffer();
  ahead.put("a");
  ahead.end();
  assert(!ahead.isOver());
  assert(!ahead.hasRoom);
  ahead.take(1);
  assert(ahead.isOver());
  await ahead.ready();

  const empty = buffer();
  assert(!empty.isOver());
  const isReady = watched(empty.ready());
  empty.end();
  assert(await isReady());
  assert(empty.isOver());
});

Deno.test("an error comes after the items, each time, and wakes the reader", async () => {
  const ahead = buffer();
  const error = new Error("broken");
  ahead.put("a");
  ahead.fail(error);
  ahead.fail(new Error("broken again"));
  ahead.end();
  assert(!ahead.isOver());
  assert(!ahead.hasRoom);
  ahead.take(1);
  for (let i = 0; i < 2; i++) assertStrictEquals(assertThrows(() => ahead.isOver()), error);
  await ahead.ready();

  const empty = buffer();
  const isReady = watched(empty.ready());
  empty.fail(undefined);
  assert(await isReady());
});

Deno.test("what comes after an end that was too early is not lost: items, and an error", () => {
  const ahead = buffer();
  ahead.end();
  ahead.put("late");
  assert(!ahead.isOver());
  assertEquals(ahead.take(1), ["late"]);
  ahead.fail(new Error("later"));
  assertThrows(() => ahead.isOver(), Error, "later");
});

Deno.test("close wakes both sides, and they wait no more", async () => {
  const full = buffer({ items: 1 });
  full.put("a");
  const hasRoom = watched(full.room());
  full.close();
  assert(await hasRoom());
  assert(!full.hasRoom);
  assert(full.isClosed);
  await full.room();

  const empty = buffer();
  const isReady = watched(empty.ready());
  empty.close();
  assert(await isReady());
  await empty.ready();
  empty.close();
});

Deno.test("a producer and a reader that take turns waiting lose nothing", async () => {
  const ahead = buffer({ items: 3 });
  const items = Array.from({ length: 50 }, (_, i) => `item ${i}`);
  const producing = (async () => {
    for (const item of items) {
      await ahead.room();
      ahead.put(item);
    }
    ahead.end();
  })();
  const taken: string[] = [];
  while (!ahead.isOver()) {
    assert(ahead.length <= 3);
    if (ahead.length === 0) await ahead.ready();
    else taken.push(...ahead.take(1 + taken.length % 3));
  }
  await producing;
  assertEquals(taken, items);
});
