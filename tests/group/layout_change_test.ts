import { assertEquals, assertThrows } from "@std/assert";
import {
  differencesOf,
  goneExchanges,
  type LayoutBefore,
  LayoutChangeError,
  planChange,
} from "../../src/group/layout_change.ts";
import { SHUFFLE_STEP } from "../../src/group/log.ts";
import { taskId } from "../../src/core/task_id.ts";
import type { GroupTopology } from "../../src/group/topology.ts";
import type { StoredPosition } from "../../src/recovery/store.ts";
import { layout } from "../support/group/memory_app.ts";
import { part } from "../support/group/part.ts";

const ONE = layout("1");

function before(topology: GroupTopology, more: Partial<LayoutBefore> = {}): LayoutBefore {
  return {
    topology,
    positions: new Map(),
    moved: new Map(),
    unread: new Set(),
    leftover: [],
    ...more,
  };
}

const position = (step: string, partition: number, role = "input"): StoredPosition => ({
  role: role as StoredPosition["role"],
  step,
  partition: step === SHUFFLE_STEP ? step : `${step}-${partition}`,
  state: new Uint8Array([partition]),
});

function plan(from: LayoutBefore, to: GroupTopology, drops: readonly string[] = []) {
  return planChange("orders", from, to, new Set(drops));
}

function refused(from: LayoutBefore, to: GroupTopology, text: string, drops: string[] = []) {
  assertThrows(() => plan(from, to, drops), LayoutChangeError, text);
}

Deno.test("differencesOf() names inputs, steps and exchanges that differ", () => {
  const other = {
    ...layout("2", { keyed: ["total"], shards: 8 }),
    subtopologies: [
      part("in", { sourceTopics: ["a", "b"], inputs: ["in"] }),
      part("total", { hasShuffle: true, hasState: true, stateful: ["total"] }),
    ],
  };
  assertEquals(differencesOf(ONE, other), [
    "it has 8 shards instead of 4",
    'input "in" reads a, b instead of in-topic',
    'step "sum" is gone',
    'step "total" is new',
    'exchange "sum" is gone',
    'exchange "total" is new',
  ]);
  const [exchange] = ONE.exchanges;
  const combined = { ...ONE, exchanges: [{ ...exchange, isCombined: true }] };
  assertEquals(differencesOf(ONE, combined), [
    'exchange "sum" goes from "in" to "sum" by key, combined instead of from "in" to "sum" by key',
  ]);
});

Deno.test("planChange() leaves what a new step does not concern", () => {
  const rows = [position("in", 1), position("out", 1, "output")];
  const positions = new Map([[taskId("in", 1), rows]]);
  const change = plan(before(ONE, { positions }), layout("2", { keyed: ["sum", "count"] }));
  assertEquals(change, { moved: positions, retired: [] });
});

Deno.test("planChange() moves positions to where their input is now", () => {
  const two = layout("1", { inputs: ["in", "other"] });
  const merged = layout("2");
  const [, sum] = merged.subtopologies;
  const joined = part("in", { sourceTopics: ["in-topic", "other-topic"], inputs: ["in", "other"] });
  const positions = new Map([
    [taskId("in", 0), [position("in", 0)]],
    [taskId("other", 0), [position("other", 0)]],
    [taskId("other", 1), [position("other", 1), position("out", 1, "output")]],
  ]);
  const { moved } = plan(before(two, { positions }), { ...merged, subtopologies: [joined, sum] });
  assertEquals(
    moved,
    new Map([
      [taskId("in", 0), [position("in", 0), position("other", 0)]],
      [taskId("in", 1), [position("other", 1), position("out", 1, "output")]],
    ]),
  );
});

Deno.test("planChange() keeps what was moved before to tasks that have nothing else yet", () => {
  const moved = new Map([[taskId("sum", 2), [position("late", 2)]]]);
  const change = plan(before(ONE, { moved }), layout("2", { keyed: ["sum", "count"] }));
  assertEquals(change.moved, moved);
});

Deno.test("planChange() leaves a position in a shuffle topic with its part", () => {
  const spread = {
    ...ONE,
    subtopologies: [ONE.subtopologies[0], part("spread", { hasShuffle: true })],
    exchanges: [{ ...ONE.exchanges[0], number: 4, route: "spread", to: "spread", step: "spread" }],
  };
  const positions = new Map([[taskId("spread", 3), [position(SHUFFLE_STEP, 3)]]]);
  assertEquals(plan(before(spread, { positions }), { ...spread, hash: "2" }).moved, positions);
  const { moved, retired } = plan(before(spread, { positions }), ONE);
  assertEquals(moved, new Map());
  assertEquals(retired, ["orders.spread.shuffle"]);
});

Deno.test("planChange() refuses to lose the state of a step, unless it is to be dropped", () => {
  const two = before(layout("2", { keyed: ["sum", "count"] }));
  refused(
    two,
    ONE,
    'step "count" is not in this flow: give it its id back, or start with --drop-step',
  );
  assertEquals(plan(two, ONE, ["count"]).retired, ["orders.count.shuffle", "orders.count.state"]);
  refused(two, ONE, 'step "sum" cannot be dropped, as the flow has it', ["count", "sum"]);
});

Deno.test("planChange() refuses to move the state of a step, and says where it is", () => {
  const chain = {
    ...ONE,
    subtopologies: [
      ONE.subtopologies[0],
      part("first", { hasShuffle: true, hasState: true, stateful: ["first", "sum"] }),
    ],
    exchanges: [{ ...ONE.exchanges[0], number: 3, step: "first", to: "first" }],
  };
  refused(
    before(chain),
    ONE,
    'step "sum" has its state in topic "orders.first.state", and this flow has it in ' +
      '"orders.sum.state"',
    ["first"],
  );
});

Deno.test("planChange() refuses to lose positions of an input, unless it is to be dropped", () => {
  const two = before(layout("2", { inputs: ["in", "other"] }));
  refused(two, ONE, 'input "other" is not in this flow: give it its id back');
  assertEquals(plan(two, ONE, ["other"]), { moved: new Map(), retired: [] });
});

Deno.test("planChange() refuses to move an input to or from tasks with positions of their own", () => {
  const beside = {
    ...layout("2", { inputs: ["in", "other"] }),
    subtopologies: [
      ONE.subtopologies[0],
      part("sum", { ...ONE.subtopologies[1], inputs: ["other"], sourceTopics: ["other-topic"] }),
    ],
  };
  const apart = layout("1", { inputs: ["in", "other"] });
  refused(before(apart), beside, 'input "other" moves from part "other" to "sum"');
  refused(before(beside), apart, 'input "other" moves from part "sum" to "other"');
});

Deno.test("planChange() refuses to lose what nobody has read of an exchange that is gone", () => {
  const two = layout("2", { keyed: ["count", "sum"] });
  assertEquals([...goneExchanges(ONE, two)], []);
  assertEquals([...goneExchanges(two, ONE)], [1]);
  plan(before(ONE, { unread: new Set([0]) }), two); // another one before it changes nothing
  refused(
    before(two, { unread: new Set([1]) }),
    ONE,
    'exchange "count" has items in topic "orders.count.shuffle" that no task has read',
  );
  plan(before(two, { unread: new Set([1]) }), ONE, ["count"]); // the items go with the step
});

Deno.test("planChange() refuses an exchange that has the number of one that is gone", () => {
  const [exchange] = ONE.exchanges;
  const other = { ...layout("2", { keyed: ["sum", "count"] }) };
  refused(
    before(ONE),
    { ...other, exchanges: [{ ...exchange, step: "count", to: "count" }] },
    'step "count" would get what was sent to "sum", as both have the number 0 in topics',
  );
});

Deno.test("planChange() refuses topics of a new part that have records of an older layout", () => {
  refused(
    before(ONE, { leftover: ["orders.count.state"] }),
    layout("2", { keyed: ["sum", "count"] }),
    'topic "orders.count.state" has records of an earlier layout, which this one would read: delete',
  );
});
