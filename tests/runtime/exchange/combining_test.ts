import { assertEquals, assertThrows } from "@std/assert";
import type { Combiner } from "../../../src/graph/nodes.ts";
import type { Message } from "../../../src/runtime/channel.ts";
import { Combining } from "../../../src/runtime/exchange/combining.ts";

/** Lists values, so that it shows which were combined, and in which order. */
const lists: Combiner = {
  start: (key, value) => [key, value],
  add: (partial, value) => [...partial as unknown[], value],
  begin: () => {
    throw new Error("only the receiving side begins a step");
  },
};

const fail = (item: unknown, thrown: unknown) =>
  new Error(`${Deno.inspect(item)}: ${(thrown as Error).message}`);

/** A combining end, and what it has sent. */
function combining(combiner = lists) {
  const sent: Message[] = [];
  const offered: number[] = [];
  const target = {
    room: Infinity,
    offered: (items: number) => void offered.push(items),
    push: (message: Message) => void sent.push(message),
  };
  return { target, sent, offered, combining: new Combining(combiner, target, fail) };
}

Deno.test("Combining sends a partial result of each key, in order, before a control message", () => {
  const { combining: end, sent } = combining();
  end.push([["a", 1], ["b", 2], ["a", 3]]);
  end.push([["a", 4], ["c", 5]]);
  assertEquals(sent, []);
  end.push({ kind: "barrier", epoch: 3 });
  assertEquals(sent, [
    [["a", ["a", 1, 3, 4]], ["b", ["b", 2]], ["c", ["c", 5]]],
    { kind: "barrier", epoch: 3 },
  ]);
  end.push([["a", 6]]);
  end.push({ kind: "end", stopped: true });
  assertEquals(sent.slice(2), [[["a", ["a", 6]]], { kind: "end", stopped: true }]);
});

Deno.test("Combining sends before it says that nothing comes: else what it sends later would say otherwise", () => {
  const { combining: end, sent } = combining();
  end.push([["a", 1]]);
  end.push({ kind: "idle" });
  end.push({ kind: "barrier", epoch: 0 });
  assertEquals(sent, [[["a", ["a", 1]]], { kind: "idle" }, { kind: "barrier", epoch: 0 }]);
});

Deno.test("Combining has any room for what it combines, until its target has none", () => {
  const { combining: end, target } = combining();
  target.room = 1;
  assertEquals(end.room, Infinity);
  target.room = 0;
  assertEquals(end.room, 0);
});

Deno.test("Combining has the room of its target while values go by themselves", () => {
  const { combining: end, target, offered } = combining(counts);
  for (const batch of batches(5_000, 5_000)) end.push(batch);
  assertEquals(offered, [5_000]);
  target.room = 7;
  assertEquals(end.room, 7);
  end.offered(7);
  assertEquals(offered, [5_000, 7]);
});

Deno.test("Combining sends fewer keys at once to a target with little room, but not single ones", () => {
  for (const [room, keys] of [[1, 64], [200, 200], [8192, 4096]]) {
    const { combining: end, target, sent } = combining(counts);
    target.room = room;
    const twice = Array.from({ length: 10_000 }, (_, i) => [`k${i >> 1}`, 1]);
    for (let at = 0; at < 10_000; at += 2) end.push(twice.slice(at, at + 2));
    assertEquals((sent[0] as unknown[]).length, keys);
  }
});

Deno.test("Combining goes on combining after it has sent few keys for lack of room", () => {
  const { combining: end, target, sent } = combining(counts);
  target.room = 1; // as at the beginning
  end.push(Array.from({ length: 400 }, (_, i) => [`k${i}`, 1]));
  assertEquals(sums(sent), { batches: 1, items: 400, values: 400 });
  target.room = 8192;
  for (const batch of batches(30_000, 400)) end.push(batch);
  assertEquals(sent.length, 1);
  end.push({ kind: "end", stopped: false });
  assertEquals(sums(sent.slice(1, 2)), { batches: 1, items: 400, values: 30_000 });
});

Deno.test("Combining holds back no more than some MiB, since a partial result may hold all of it", () => {
  const { combining: end, sent } = combining();
  const large = (): [string, Uint8Array][] => [["k", new Uint8Array(3 << 20)]];
  for (let n = 0; n < 3; n++) {
    assertEquals(sent, []);
    end.push(large());
  }
  assertEquals(sent.length, 1);
});

const counts: Combiner = { ...lists, start: () => 1, add: (count) => count as number + 1 };

/** How much was sent, in messages, items, and values. */
function sums(sent: readonly Message[]): { batches: number; items: number; values: number } {
  const items = sent.flat() as [string, number][];
  const values = items.reduce((sum, [, count]) => sum + count, 0);
  return { batches: sent.length, items: items.length, values };
}

/** Batches of 1,000 of `count` items, whose `keys` alternate. */
function* batches(count: number, keys: number): Generator<[string, number][]> {
  for (let from = 0; from < count; from += 1_000) {
    yield Array.from({ length: 1_000 }, (_, i) => [`k${(from + i) % keys}`, 1]);
  }
}

Deno.test("Combining holds back a bounded number of values", () => {
  const { combining: end, sent } = combining(counts);
  for (const batch of batches(330_000, 10)) end.push(batch);
  assertEquals(sums(sent), { batches: 10, items: 100, values: 330_000 });
});

Deno.test("Combining holds back a bounded number of keys", () => {
  const { combining: end, sent } = combining(counts);
  for (const batch of batches(200_000, 6_000)) end.push([...batch, ...batch, ...batch]);
  end.push({ kind: "end", stopped: false });
  const { batches: many, items, values } = sums(sent.slice(0, -1));
  assertEquals([many, items, values], [40, 200_000, 600_000]);
});

Deno.test("Combining passes values on, each by itself, for a while where keys hardly come twice", () => {
  const { combining: end, sent } = combining(counts);
  for (const batch of batches(200_000, 200_000)) end.push(batch);
  const first = sums(sent);
  assertEquals(first, { batches: 196, items: 200_000, values: 200_000 });
  // Keys come again and again now, and it tries again.
  for (const batch of batches(400_000, 10)) end.push(batch);
  const second = sums(sent.slice(196));
  assertEquals(second.values, 396_000);
  assertEquals(second.items < 340_000, true, `${second.items} items`);
});

Deno.test("Combining keeps the order of a key's values when it passes them on by themselves", () => {
  const { combining: end, sent } = combining();
  const batch = (n: number) => Array.from({ length: 5_000 }, (_, i) => [`k${i}`, n]);
  for (let n = 0; n < 5; n++) end.push(batch(n));
  end.push({ kind: "end", stopped: false });
  const ofOne = (sent.slice(0, -1).flat() as [string, unknown[]][])
    .filter(([key]) => key === "k17").flatMap(([, [, ...values]]) => values);
  assertEquals(ofOne, [0, 1, 2, 3, 4]);
});

Deno.test("Combining names the item on which a function threw, in both ways of sending", () => {
  const picky: Combiner = {
    ...counts,
    start: (_key, value) => {
      if (value === "bad") throw new TypeError("what is this?");
      return 1;
    },
    add: (count, value) => picky.start("", value) as number + (count as number),
  };
  const { combining: end } = combining(picky);
  const message = `[ "k1", "bad" ]: what is this?`;
  assertThrows(() => end.push([["k0", 1], ["k1", "bad"]]), Error, message);
  assertThrows(() => end.push([["k1", 1], ["k1", "bad"], ["k2", 1]]), Error, message);
  const { combining: direct } = combining(picky);
  for (const batch of batches(5_000, 5_000)) direct.push(batch);
  assertThrows(() => direct.push([["k0", 1], ["k1", "bad"]]), Error, message);
});

Deno.test("Combining refuses items that are not pairs with string keys, in both ways of sending", () => {
  const { combining: end } = combining();
  assertThrows(() => end.push([["k", 1], [7, 1]]), Error, "needs string keys; got the key 7");
  const { combining: direct } = combining();
  for (const batch of batches(5_000, 5_000)) direct.push(batch);
  assertThrows(() => direct.push(["k"]), Error, `needs [key, value] pairs; got "k"`);
});
