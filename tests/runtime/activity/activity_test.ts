import { assertEquals } from "@std/assert";
import { ActivityFilter, isActivity } from "../../../src/runtime/activity/activity.ts";

const idle = { kind: "idle" } as const;
const active = { kind: "active" } as const;

Deno.test("isActivity() distinguishes activity from what ends an epoch", () => {
  const messages = [idle, active, { kind: "barrier", epoch: 1 }, { kind: "end", stopped: false }];
  assertEquals(messages.map(isActivity), [true, true, false, false]);
});

Deno.test("ActivityFilter keeps off what is no longer news, and a batch says `active`", () => {
  const filter = new ActivityFilter();
  assertEquals([active, idle, idle, active, active].map((each) => filter.passes(each)), [
    false, // as it begins
    true,
    false,
    true,
    false,
  ]);
  assertEquals(filter.passes(idle), true);
  filter.onBatch();
  assertEquals([active, idle].map((each) => filter.passes(each)), [false, true]);
});
