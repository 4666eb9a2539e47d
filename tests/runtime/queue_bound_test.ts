import { assert, assertEquals } from "@std/assert";
import { QueueBound } from "../../src/runtime/queue_bound.ts";

/** A queue between a producer that always has more, and a consumer. The test moves the clock. */
function queue({ items = 8192, bytes = 8 << 20, itemBytes = 8 } = {}) {
  let now = 0;
  let waiting = 0;
  const bound = new QueueBound({ items, bytes, now: () => now });
  return {
    bound,
    pass: (ms: number) => void (now += ms),
    waiting: () => waiting,
    /** The producer puts in what there is room for. */
    fill(): number {
      const { room } = bound;
      if (room === 0) return 0;
      bound.offered(room);
      bound.added(room, itemBytes);
      waiting += room;
      return room;
    },
    /** The consumer takes up to `most` items. */
    take(most: number): number {
      const taken = Math.min(most, waiting);
      waiting -= taken;
      if (taken > 0) bound.taken(taken);
      return taken;
    },
  };
}

Deno.test("QueueBound begins with room for one item", () => {
  const { bound, fill } = queue();
  assertEquals([bound.room, fill(), bound.room], [1, 1, 0]);
});

Deno.test("QueueBound doubles each time that the consumer takes all, and the producer had more", () => {
  const { fill, take } = queue({ items: 100 });
  const filled: number[] = [];
  for (let n = 0; n < 9; n++) {
    filled.push(fill());
    take(Infinity);
  }
  assertEquals(filled, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
});

Deno.test("QueueBound does not grow for a producer that had no more", () => {
  const { bound } = queue();
  for (let n = 0; n < 10; n++) {
    assertEquals(bound.room, 1);
    bound.added(1, 8);
    bound.taken(1);
  }
});

Deno.test("QueueBound grows where the producer drops most of what it goes through", () => {
  const { bound } = queue();
  for (let n = 0; n < 5; n++) {
    bound.offered(bound.room);
    if (n % 2 === 0) continue; // all dropped
    bound.added(1, 8);
    bound.taken(1);
  }
  assertEquals(bound.room, 16); // twice for what was taken, twice where nothing came
});

Deno.test("QueueBound grows for a producer whose batches leave no room, though none fills it", () => {
  const { bound } = queue({ items: 100 });
  const put: number[] = [];
  for (let n = 0; n < 8; n++) {
    let items = 0;
    for (; bound.room > 0; items += 3) {
      bound.offered(3);
      bound.added(3, 8);
    }
    bound.taken(items);
    put.push(items);
  }
  assertEquals(put, [3, 6, 9, 15, 27, 51, 51, 51]);
});

Deno.test("QueueBound grows to twice a batch above its limit that the consumer takes at once", () => {
  const { bound } = queue();
  bound.offered(500);
  bound.added(500, 8);
  bound.taken(500);
  assertEquals(bound.room, 1_000);
});

Deno.test("QueueBound does not grow by a batch above its limit that the consumer takes in parts", () => {
  const { bound, pass } = queue();
  bound.offered(500);
  bound.added(500, 8);
  for (let n = 0; n < 500; n++) {
    pass(10);
    bound.taken(1);
  }
  assert(bound.room <= 10, `${bound.room} may come, of which 10 are worked off in time`);
});

Deno.test("QueueBound does not grow while the consumer leaves something", () => {
  const { fill, take, waiting } = queue();
  for (let n = 0; n < 5; n++) {
    fill();
    take(Infinity);
  }
  for (let n = 0; n < 40; n++) {
    fill();
    take(1);
  }
  assert(waiting() <= 32, `${waiting()} wait`);
});

Deno.test("QueueBound holds what a slow consumer works off in a tenth of a second", () => {
  for (const [itemMs, most] of [[1, 100], [5, 20], [20, 5], [99, 1], [1_000, 2]]) {
    const { fill, take, pass, waiting } = queue();
    for (let n = 0; n < 13; n++) { // it was fast
      fill();
      take(Infinity);
    }
    const worst: number[] = [];
    for (let ms = 0; ms < 20_000 * itemMs; ms += itemMs) {
      fill();
      take(1);
      pass(itemMs);
      if (ms > 10_000 * itemMs) worst.push(waiting());
    }
    assert(Math.max(...worst) <= most, `${Math.max(...worst)} wait at ${itemMs} ms an item`);
  }
});

Deno.test("QueueBound holds as little where items are worked on side by side, and end at once", () => {
  const { fill, take, pass, waiting } = queue();
  let most = 0;
  for (let call = 0; call < 100; call++) { // 16 calls of 200 ms
    for (let free = 16; free > 0;) {
      fill();
      free -= take(free);
    }
    fill();
    if (call > 2) most = Math.max(most, waiting());
    pass(200);
  }
  assert(most <= 16, `${most} wait for 16 slots`);
});

Deno.test("QueueBound grows again when the consumer has become fast", () => {
  const { fill, take, pass } = queue();
  const round = (most: number, ms: number): number => {
    take(most);
    const filled = fill();
    pass(ms);
    return filled;
  };
  for (let n = 0; n < 200; n++) round(1, 100);
  for (let n = 0; n < 4_000; n++) round(Infinity, 0.1);
  assertEquals(round(Infinity, 0.1), 8192);
});

Deno.test("QueueBound does not shrink where the consumer takes its time whatever it gets", () => {
  const { fill, take, pass } = queue();
  for (let n = 0; n < 20; n++) {
    fill();
    take(Infinity);
    pass(300);
  }
  assertEquals(fill(), 8192);
});

Deno.test("QueueBound holds what the consumer takes at once, however long that takes", () => {
  const { bound, fill, take, pass } = queue();
  bound.takesAtOnce(500);
  for (let n = 0; n < 20; n++) {
    fill();
    assertEquals(take(500), 500);
    fill();
    pass(1_000);
  }
});

Deno.test("QueueBound is filled up only when half of it is gone", () => {
  const { bound, fill, take } = queue();
  bound.takesAtOnce(10);
  fill();
  take(4);
  assertEquals(bound.room, 0);
  take(1);
  assertEquals(bound.room, 5);
});

Deno.test("QueueBound has no room for more large items than its bytes allow, but for one always", () => {
  const { bound, fill, take, waiting } = queue({ bytes: 8 << 20, itemBytes: 4 << 20 });
  bound.takesAtOnce(1_000);
  fill();
  take(1_000);
  for (let n = 0; n < 10; n++) {
    fill();
    assertEquals(waiting(), 2);
    take(1);
  }
  const larger = queue({ bytes: 8 << 20, itemBytes: 100 << 20 });
  for (let n = 0; n < 10; n++) {
    assertEquals([larger.fill(), larger.fill(), larger.take(9)], [1, 0, 1]);
  }
});

Deno.test("QueueBound forgets large items in time", () => {
  const { bound } = queue();
  bound.takesAtOnce(8192);
  bound.added(1, 4 << 20);
  bound.taken(1);
  assertEquals(bound.room, 2);
  for (let n = 0; n < 200; n++) {
    bound.added(1, 8);
    bound.taken(1);
  }
  assertEquals(bound.room, 8192);
});

Deno.test("QueueBound takes the consumer's word for what it left, where that is not known here", () => {
  const { bound } = queue();
  bound.offered(bound.room);
  bound.added(1, 8);
  bound.added(1, 8); // on its way: the consumer has nothing left all the same
  bound.taken(1, true);
  bound.taken(1);
  assertEquals(bound.room, 2);
});

Deno.test("QueueBound lets a producer go through more at once when what it offers yields nothing", () => {
  const { bound } = queue({ items: 100 });
  const rooms: number[] = [];
  for (let n = 0; n < 9; n++) {
    rooms.push(bound.room);
    bound.offered(bound.room); // a filter lets nothing through
  }
  assertEquals(rooms, [1, 1, 2, 4, 8, 16, 32, 64, 100]);
});

Deno.test("QueueBound learns from the pace that a consumer is fast, though it leaves something each time", () => {
  const { fill, pass, take, waiting } = queue({ items: 5_000 });
  fill();
  take(1);
  for (let ms = 0; ms < 300; ms++) { // it takes one each time, ten in a millisecond
    for (let n = 0; n < 10; n++) {
      fill();
      take(1);
    }
    pass(1);
  }
  assert(waiting() > 400 && waiting() <= 5_000, `${waiting()} wait`);
});
