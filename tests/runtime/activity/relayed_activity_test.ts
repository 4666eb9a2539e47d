import { assertEquals } from "@std/assert";
import { RelayedActivity } from "../../../src/runtime/activity/relayed_activity.ts";

const idle = { kind: "idle" } as const;
const active = { kind: "active" } as const;

Deno.test("RelayedActivity owes `idle` once all channels are idle or have ended, and says it once", () => {
  const activity = new RelayedActivity(3);
  activity.onActivity(idle, 0);
  activity.onEnd(1);
  assertEquals(activity.owesIdle, false);
  assertEquals(activity.onActivity(idle, 2), null);
  assertEquals([activity.owesIdle, activity.tellIdle(), activity.owesIdle, activity.isIdle], [
    true,
    idle,
    false,
    true,
  ]);
});

Deno.test("RelayedActivity passes `active` on, and owes `idle` again", () => {
  const activity = new RelayedActivity();
  activity.onActivity(idle);
  activity.tellIdle();
  assertEquals([activity.onActivity(active), activity.owesIdle], [active, false]);
  activity.onActivity(idle);
  assertEquals(activity.owesIdle, true);
});

Deno.test("RelayedActivity owes `idle` again after a batch, once its channel is idle again", () => {
  const activity = new RelayedActivity(2);
  activity.onActivity(idle, 0);
  activity.onActivity(idle, 1);
  activity.tellIdle();
  activity.onBatch(1);
  assertEquals([activity.isIdle, activity.owesIdle], [false, false]);
  activity.onActivity(idle, 1);
  assertEquals(activity.owesIdle, true);
});

Deno.test("RelayedActivity owes `idle` again after work of the step itself", () => {
  const activity = new RelayedActivity();
  activity.onActivity(idle);
  activity.tellIdle();
  activity.onWork();
  assertEquals(activity.owesIdle, true);
});
