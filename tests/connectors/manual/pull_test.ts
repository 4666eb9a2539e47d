import { assert, assertEquals, assertThrows } from "@std/assert";
import { pullerOf } from "../../../src/connectors/manual/pull.ts";
import { silentLog } from "../../../src/core/log.ts";
import { eventually } from "../../support/eventually.ts";

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

/** The number of items in each of the next `pulls` batches. */
function sizes(iterable: Iterable<unknown>, pulls: number): number[] {
  const puller = pullerOf(iterable, "test", silentLog);
  return Array.from({ length: pulls }, () => {
    let taken = 0;
    puller.pull(() => taken++);
    return taken;
  });
}

Deno.test("pullerOf() pulls a fast generator in batches that grow to a thousand", () => {
  withTime(() => {
    const batches = sizes(
      (function* () {
        for (;;) yield 1;
      })(),
      14,
    );
    assertEquals(batches[0], 1);
    assertEquals(batches, batches.toSorted((a, b) => a - b));
    assertEquals(batches.at(-1), 1024);
  });
});

Deno.test("pullerOf() pulls a slow generator an item at a time", () => {
  withTime((advance) => {
    const batches = sizes(
      (function* () {
        for (;;) {
          advance(50);
          yield 1;
        }
      })(),
      20,
    );
    assertEquals(batches, batches.map(() => 1));
  });
});

Deno.test("pullerOf() gives way soon when a fast generator becomes slow", () => {
  withTime((advance) => {
    let made = 0;
    const puller = pullerOf(
      (function* () {
        for (;;) {
          if (made++ > 4_000) advance(10);
          yield 1;
        }
      })(),
      "test",
      silentLog,
    );
    while (made <= 4_000) puller.pull(() => {});
    const before = performance.now();
    puller.pull(() => {});
    const took = performance.now() - before;
    assert(took <= 16 * 10, `the worker stood still for ${took} ms`);
  });
});

Deno.test("pullerOf() pulls an async iterator no further than a thousand items ahead", async () => {
  let made = 0;
  const puller = pullerOf(
    (async function* () {
      for (;;) {
        made++;
        yield await Promise.resolve(made);
      }
    })(),
    "test",
    silentLog,
  );
  const items: unknown[] = [];
  puller.pull((item) => items.push(item));
  assertEquals(items, []);
  let before = -1;
  await eventually(() => {
    const still = before === made && made > 1_000;
    before = made;
    return still;
  }, "the buffer is full");
  assert(made <= 1025, `${made} items made ahead of the reader`);
  puller.pull((item) => items.push(item));
  assertEquals(items, Array.from({ length: 1024 }, (_, i) => i + 1));
  await puller.close();
});

Deno.test("pullerOf() resolves ready() when the async iterator has more, has ended or has failed", async () => {
  const steps = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const puller = pullerOf(
    (async function* () {
      await steps[0].promise;
      yield "a";
      await steps[1].promise;
      yield "b";
      await steps[2].promise;
      throw new Error("gone");
    })(),
    "test",
    silentLog,
  );
  const items: unknown[] = [];
  const accept = (item: unknown) => items.push(item);
  for (const [n, step] of steps.entries()) {
    while (puller.pull(accept) && items.length < n);
    const ready = puller.ready();
    step.resolve();
    await ready;
  }
  assertThrows(() => puller.pull(accept), Error, "gone");
  assertEquals(items, ["a", "b"]);
});
