import { assert, assertEquals, assertRejects } from "@std/assert";
import { isStale, untilOthersGone } from "../../../src/connectors/kafka_tasks/shutdown.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { pass } from "../../support/group/scene.ts";

/** Waits for a group whose members a test sets. */
function waiting(...ids: string[]) {
  const clock = new TestClock();
  const abort = new AbortController();
  const it = { members: ids, told: [] as number[], isOver: false, asked: 0 };
  const over = untilOthersGone({
    members: () => {
      it.asked++;
      return Promise.resolve([...it.members]);
    },
    onWait: (members) => it.told.push(members),
    signal: abort.signal,
    clock,
  });
  over.then(() => it.isOver = true, () => {});
  return { it, clock, abort, over };
}

Deno.test("a group without members is free at once, and nothing is told", async () => {
  const { it, over } = waiting();
  await over;
  assertEquals([it.told, it.asked], [[], 1]);
});

Deno.test("a group is free when all members that it had are gone, not those that came since", async () => {
  const { it, clock, over } = waiting("dead", "leaving");
  await pass(clock, 5_000);
  it.members = ["dead", "new"];
  await pass(clock, 40_000);
  assert(!it.isOver);
  it.members = ["new"];
  await pass(clock, 1_000);
  await over;
  assertEquals(it.told, [2]);
});

Deno.test("waiting for a group ends with its signal", async () => {
  const { clock, abort, over } = waiting("dead");
  await pass(clock, 1_000);
  abort.abort(new Error("stopped"));
  await assertRejects(() => over, Error, "stopped");
});

Deno.test("an old failure is not why a group ends on which a machine has run since", () => {
  const failure = { text: "a bad line", at: 1_000_000 };
  const member = { failedAt: 1_000_000, cameAt: 1_060_001, wasIn: true };
  assert(isStale(failure, member));
  assert(!isStale(failure, { ...member, cameAt: 1_060_000 })); // it came while the group ended
  assert(!isStale(failure, { ...member, wasIn: false })); // the group still ends
  assert(!isStale({ ...failure, at: 1_000_001 }, member)); // another one, whatever the clocks say
});
