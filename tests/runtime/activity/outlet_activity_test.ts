import { assertEquals } from "@std/assert";
import { OutletActivity } from "../../../src/runtime/activity/outlet_activity.ts";

const idle = { kind: "idle" } as const;
const active = { kind: "active" } as const;

/** The activity of a stage that has said `idle`. */
function idleOutlet(): OutletActivity {
  const activity = new OutletActivity();
  activity.onActivity(idle);
  return activity;
}

Deno.test("OutletActivity corrects nothing while the stage is active", () => {
  const activity = new OutletActivity();
  activity.onBatch();
  const told = [activity.onFull(), activity.onRoom(), activity.onLongWork()];
  assertEquals([...told, activity.onTaken(5, 5), activity.onTaken(5, 5)], new Array(5).fill(null));
});

Deno.test("OutletActivity says `active` where a channel is full, and `idle` again with room", () => {
  const activity = idleOutlet();
  assertEquals([activity.onRoom(), activity.onFull(), activity.onFull()], [null, active, null]);
  assertEquals([activity.onRoom(), activity.onRoom()], [idle, null]);
});

Deno.test("OutletActivity stays active where a batch went out while a channel was full", () => {
  const activity = idleOutlet();
  activity.onFull();
  activity.onBatch();
  assertEquals([activity.onRoom(), activity.onFull()], [null, null]);
});

Deno.test("OutletActivity tells the others of a batch only if it is long work, or a channel is full", () => {
  const long = idleOutlet();
  long.onBatch();
  assertEquals([long.onRoom(), long.onLongWork(), long.onLongWork()], [null, active, null]);
  const full = idleOutlet();
  full.onBatch();
  assertEquals([full.onFull(), full.onFull(), full.onRoom()], [active, null, null]);
});

Deno.test("OutletActivity takes batches that fill the room for long work, from the second on", () => {
  const activity = idleOutlet();
  assertEquals([activity.onTaken(8, 8), activity.onTaken(3, 8), activity.onTaken(3, 8)], [
    null,
    active,
    null,
  ]);
  const idleBetween = idleOutlet();
  idleBetween.onTaken(8, 8);
  idleBetween.onActivity(idle);
  assertEquals(idleBetween.onTaken(8, 8), null);
});
