import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { sourceOf } from "../../../src/connectors/manual/iterable_source.ts";
import { silentLog } from "../../../src/core/log.ts";
import { eventually, idle } from "../../support/eventually.ts";

/** Runs `body` with a `performance.now` that it moves itself. */
function withTime(body: (advance: (ms: number) => void) => void): void {
  const original = performance.now;
  let now = 0;
  performance.now = () => now;
  try {
    body((ms) => now += ms);
  } finally {
    performance.now = original;
  }
}

/** Returns the number of items in each of the next `pulls` batches. */
function sizes(iterable: Iterable<unknown>, pulls: number): number[] {
  const source = sourceOf(iterable, "test", silentLog);
  return Array.from({ length: pulls }, () => {
    const items: unknown[] = [];
    source.pull(items);
    return items.length;
  });
}

Deno.test("sourceOf() pulls a fast generator in batches that grow to a thousand", () => {
  withTime(() => {
    const batches = sizes(
      (function* () {
        for (;;) yield [null, 1];
      })(),
      14,
    );
    assertEquals(batches[0], 1);
    assertEquals(batches, batches.toSorted((a, b) => a - b));
    assertEquals(batches.at(-1), 1024);
  });
});

Deno.test("sourceOf() pulls a slow generator an item at a time", () => {
  withTime((advance) => {
    const batches = sizes(
      (function* () {
        for (;;) {
          advance(50);
          yield [null, 1];
        }
      })(),
      20,
    );
    assertEquals(batches, batches.map(() => 1));
  });
});

Deno.test("sourceOf() soon ends a batch when a fast generator becomes slow", () => {
  withTime((advance) => {
    let made = 0;
    const source = sourceOf(
      (function* () {
        for (;;) {
          if (made++ > 4_000) advance(10);
          yield [null, 1];
        }
      })(),
      "test",
      silentLog,
    );
    while (made <= 4_000) source.pull([]);
    const before = performance.now();
    source.pull([]);
    const took = performance.now() - before;
    assert(took <= 16 * 10, `the worker stood still for ${took} ms`);
  });
});

Deno.test("sourceOf() pulls an async iterator no further than a thousand items ahead", async () => {
  let made = 0;
  const source = sourceOf(
    (async function* () {
      for (;;) {
        made++;
        yield [null, await Promise.resolve(made)];
      }
    })(),
    "test",
    silentLog,
  );
  const items: unknown[] = [];
  source.pull(items);
  assertEquals(items, []);
  let before = -1;
  await eventually(() => {
    const still = before === made && made > 1_000;
    before = made;
    return still;
  }, "the buffer is full");
  assert(made <= 1025, `${made} items made ahead of the reader`);
  source.pull(items);
  assertEquals(items, Array.from({ length: 1024 }, (_, i) => i + 1));
  await source.close();
});

Deno.test("sourceOf() reads an async iterator ahead, bounded by the reader's room and by bytes", async () => {
  const ahead = async (item: unknown, limit: number, share: number): Promise<number> => {
    let made = 0;
    const source = sourceOf(
      (async function* () {
        for (;;) {
          made++;
          yield [null, await Promise.resolve(item)];
        }
      })(),
      "test",
      silentLog,
    );
    source.pull([], limit, share);
    for (let before = -1; before !== made; await idle()) before = made;
    await source.close();
    return made;
  };
  assertEquals(await ahead(1, 16, 1), 16);
  assertEquals(await ahead(1, 16, 1 / 8), 2);
  assertEquals(await ahead(1, 1, 1 / 8), 1);
  assertEquals(await ahead(new Uint8Array(1 << 20), 16, 1), 4);
  assertEquals(await ahead(new Uint8Array(1 << 20), 16, 1 / 4), 1);
});

Deno.test("sourceOf() resolves ready() when the async iterator has more, has ended or has failed", async () => {
  const steps = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const source = sourceOf(
    (async function* () {
      await steps[0].promise;
      yield [null, "a"];
      await steps[1].promise;
      yield [null, "b"];
      await steps[2].promise;
      throw new Error("gone");
    })(),
    "test",
    silentLog,
  );
  const items: unknown[] = [];
  for (const [n, step] of steps.entries()) {
    while (source.pull(items) && items.length < n);
    const ready = source.ready();
    step.resolve();
    await ready;
  }
  assertThrows(() => source.pull(items), Error, "gone");
  assertEquals(items, ["a", "b"]);
});

Deno.test("sourceOf() adds what a generator yielded before it throws, with the state of the last item", () => {
  const broken = new Error("gone");
  const source = sourceOf(
    (function* () {
      for (let n = 0; n < 700; n++) yield [n, `item ${n}`];
      throw broken;
    })(),
    "test",
    silentLog,
  );
  const items: unknown[] = [];
  const error = assertThrows(() => {
    while (source.pull(items));
  });
  assertStrictEquals(error, broken);
  assertEquals(items, Array.from({ length: 700 }, (_, n) => `item ${n}`));
  assertEquals(source.state, 699);
});

Deno.test("sourceOf() adds what was yielded before something that is not a pair", async () => {
  const yielded = [[1, "a"], [2, "b"], "alone", [3, "c"]];
  const sources: (Iterable<unknown> | AsyncIterable<unknown>)[] = [
    yielded,
    (async function* () {
      yield* yielded;
    })(),
  ];
  for (const iterable of sources) {
    const source = sourceOf(iterable, "test", silentLog);
    const items: unknown[] = [];
    source.pull(items); // makes it ask the async iterator
    await idle();
    assertThrows(
      () => {
        while (source.pull(items));
      },
      TypeError,
      `a manual input must yield [state, item] pairs; got "alone"`,
    );
    assertEquals([items, source.state], [["a", "b"], 2]);
    await source.close();
  }
});

/** Returns an iterator that notes its calls, and whose `next` throws or rejects at once. */
function failing(calls: string[]) {
  const next = (): never => {
    calls.push("next");
    throw new Error("gone");
  };
  const close = () => {
    calls.push("return");
    return { done: true as const, value: undefined };
  };
  return {
    sync: { [Symbol.iterator]: () => ({ next, return: close }) },
    async: {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.try(next),
        return: () => Promise.resolve(close()),
      }),
    },
  };
}

Deno.test("sourceOf() does not close an iterator that has thrown, which is over", async () => {
  const calls: string[] = [];
  const { sync, async } = failing(calls);
  for (const iterable of [sync, async]) {
    const source = sourceOf(iterable, "test", silentLog);
    const pullAll = async () => {
      while (source.pull([])) await source.ready();
    };
    await assertRejects(pullAll, Error, "gone");
    await source.close();
  }
  assertEquals(calls, ["next", "next"]);
});

Deno.test("sourceOf() keeps a state as it was when it was yielded, whatever the generator does with it", async () => {
  const cursor = { file: "a", at: 0, nested: { lines: [0] }, seen: new Map([["a", 0]]) };
  const as = (at: number) => ({
    file: "a",
    at,
    nested: { lines: [at] },
    seen: new Map([["a", at]]),
  });
  const move = (at: number) => {
    cursor.at = at;
    cursor.nested.lines[0] = at;
    cursor.seen.set("a", at);
  };
  const sync = sourceOf(
    (function* () {
      for (let n = 0; n < 3; n++) {
        yield [cursor, n];
        move(n + 1);
      }
    })(),
    "test",
    silentLog,
  );
  while (sync.pull([]));
  assertEquals(sync.state, as(2));
  move(0);
  const hangs = Promise.withResolvers<void>();
  const async = sourceOf(
    (async function* () {
      for (let n = 0; n < 3; n++) {
        yield [cursor, n];
        move(n + 1);
      }
      await hangs.promise;
    })(),
    "test",
    silentLog,
  );
  async.pull([]);
  await idle();
  const items: unknown[] = [];
  async.pull(items);
  assertEquals([items, cursor.at], [[0, 1, 2], 3]);
  assertEquals(async.state, as(2));
  hangs.resolve();
  await async.close();
});
