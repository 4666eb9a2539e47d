import { assertEquals } from "@std/assert";
import { type From, NO_SOURCE, type Tick } from "../../../src/runtime/time/controls.ts";
import { MergedTime } from "../../../src/runtime/time/merged_time.ts";

const fromA: From = { kind: "from", source: "a", origin: "in", tick: 1 };

function tick(number: number, origin = "in"): Tick {
  return { kind: "tick", origin, number, states: [] };
}

Deno.test("a tick goes on once all channels have brought it that can carry its origin", () => {
  const time = new MergedTime(3, (channel) => channel < 2);
  assertEquals(time.onTick(0, tick(1)), []);
  assertEquals(time.onTick(0, tick(2)), []);
  assertEquals(time.onTick(1, tick(1)), [tick(1)]);
  assertEquals(time.onEnd(1), [tick(2)]);
});

Deno.test("the source is told where batches of different channels follow each other", () => {
  const time = new MergedTime(2, () => true);
  time.onFrom(0, fromA);
  assertEquals([time.onBatch(0), time.onBatch(0)], [fromA, null]);
  time.onFrom(1, { ...fromA });
  assertEquals(time.onBatch(1), null); // the same source, and the same tick
});

Deno.test("it is told where partial results follow single items of the same source", () => {
  const time = new MergedTime(2, () => true);
  const combined = { ...fromA, isCombined: true } as const;
  time.onFrom(0, fromA);
  assertEquals(time.onBatch(0), fromA);
  time.onFrom(1, combined);
  assertEquals(time.onBatch(1), combined);
  assertEquals(time.onBatch(0), fromA);
});

Deno.test("items of a channel that has told of no source are not taken for another's", () => {
  const time = new MergedTime(2, () => true);
  assertEquals(time.onBatch(1), null);
  time.onFrom(0, fromA);
  assertEquals(time.onBatch(0), fromA);
  assertEquals(time.onBatch(1)?.source, NO_SOURCE);
  assertEquals(time.onBatch(1), null);
  assertEquals(time.onBatch(0), fromA);
});

Deno.test("a tick waits for a channel that has come later, if that can carry its origin", () => {
  const time = new MergedTime(1, (channel, origin) => origin === "in" || channel === 2);
  assertEquals(time.onTick(0, tick(1)), [tick(1)]);
  assertEquals(time.onTick(2, tick(2)), []);
  assertEquals(time.onTick(0, tick(2)), []);
  assertEquals(time.onTick(1, tick(2)), [tick(2)]);
  assertEquals(time.onTick(2, tick(1, "added")), [tick(1, "added")]);
});
