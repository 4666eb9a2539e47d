import { assertEquals } from "@std/assert";
import { SourceActivity } from "../../../src/runtime/activity/source_activity.ts";

const idle = { kind: "idle" } as const;
const active = { kind: "active" } as const;

/** The activity of an input, and a clock. */
function source() {
  const clock = { now: 1_000 };
  return { clock, activity: new SourceActivity(() => clock.now) };
}

Deno.test("SourceActivity is active at first, and says nothing of batches", () => {
  const { activity } = source();
  assertEquals([activity.onBatch(), activity.onBatch(), activity.onBlocked()], [null, null, null]);
});

Deno.test("SourceActivity says `idle` once when the input answers that it is", () => {
  const { activity } = source();
  assertEquals([activity.onNothing(true), activity.onNothing(true), activity.onWaiting()], [
    idle,
    null,
    null,
  ]);
});

Deno.test("SourceActivity is not idle while what there is has not arrived", () => {
  const { clock, activity } = source();
  assertEquals(activity.onNothing(false), null);
  clock.now += 3_600_000;
  activity.look();
  assertEquals([activity.onWaiting(), activity.nextLook(true)], [null, Infinity]);
});

Deno.test("SourceActivity counts as idle after the silence that the input named", () => {
  const { clock, activity } = source();
  assertEquals(activity.onNothing(1_500), null);
  assertEquals(activity.nextLook(true), 2_000); // it looks each second
  clock.now = 2_000;
  activity.look();
  assertEquals([activity.onWaiting(), activity.nextLook(true)], [null, 2_500]);
  clock.now = 2_500;
  activity.look();
  assertEquals([activity.onWaiting(), activity.nextLook(true)], [idle, Infinity]);
});

Deno.test("SourceActivity counts the silence again after a batch", () => {
  const { clock, activity } = source();
  activity.onNothing(1_000);
  clock.now = 1_900;
  activity.look();
  activity.onBatch();
  activity.onNothing(1_000);
  clock.now = 2_800;
  activity.look();
  assertEquals(activity.onWaiting(), null);
  clock.now = 2_900;
  activity.look();
  assertEquals(activity.onWaiting(), idle);
});

Deno.test("SourceActivity says `active` after 10 ms of reading, not with the first batch", () => {
  const { clock, activity } = source();
  activity.onNothing(true);
  assertEquals([activity.onBatch(), activity.nextLook(false)], [null, 1_010]);
  clock.now = 1_009;
  assertEquals([activity.onReading(), activity.onBatch()], [null, null]);
  clock.now = 1_010;
  assertEquals([activity.onReading(), activity.onReading()], [active, null]);
});

Deno.test("SourceActivity that is idle again within 10 ms says nothing of the batch", () => {
  const { clock, activity } = source();
  activity.onNothing(true);
  activity.onBatch();
  clock.now += 5;
  assertEquals(activity.onNothing(true), idle); // a channel that knows keeps it off
  assertEquals(activity.onReading(), null);
});

Deno.test("SourceActivity says `active` at once where it reads and there is no room", () => {
  const { activity } = source();
  activity.onNothing(true);
  assertEquals(activity.onBlocked(), null); // it does not read
  activity.onBatch();
  assertEquals([activity.onBlocked(), activity.onBlocked()], [active, null]);
});
