/** Which streams of a shard wait for others in event time. */
import { assertEquals } from "@std/assert";
import { StreamOrder } from "../../../src/runtime/group/stream_order.ts";
import type { SourceState, Tick } from "../../../src/runtime/time/controls.ts";

const DRIFT_MS = 100;

const originOf = (sender: number) => `in on worker ${sender}`;

function tick(sender: number, states: Readonly<Record<string, SourceState>>): Tick {
  const logged = { at: 0, idleSince: null };
  return {
    kind: "tick",
    origin: originOf(sender),
    number: 1,
    states: Object.entries(states),
    logged,
  };
}

function order(senders = 2, driftMs = DRIFT_MS): StreamOrder {
  const origins = new Set(Array.from({ length: senders }, (_, sender) => originOf(sender)));
  return new StreamOrder({ driftMs, origins });
}

/** An order of two streams that have named a source each. */
function behind(driftMs = DRIFT_MS): StreamOrder {
  const both = order(2, driftMs);
  both.onTick(tick(0, { p0: "behind" }));
  both.onTick(tick(1, { p1: "behind" }));
  return both;
}

/** Has a stream come this far. */
function come(order: StreamOrder, sender: number, time: number): void {
  head(order, sender, time);
  order.pass(sender);
}

function head(order: StreamOrder, sender: number, time: number): void {
  order.setHead(sender, originOf(sender), `p${sender}`, time);
}

Deno.test("a stream waits while it is more than the drift ahead", () => {
  const both = behind();
  come(both, 0, 1_100);
  come(both, 1, 1_000);
  head(both, 0, 1_101);
  assertEquals(both.isAhead(0), false);
  both.pass(0);
  head(both, 0, 1_102);
  assertEquals(both.isAhead(0), true);
  come(both, 1, 1_001);
  assertEquals(both.isAhead(0), false);
});

Deno.test("the stream that is least far goes on, however far it gets with that", () => {
  const both = behind(0);
  come(both, 0, 1_000);
  come(both, 1, 999);
  head(both, 0, 1_001);
  head(both, 1, 9_000);
  assertEquals([both.isAhead(0), both.isAhead(1)], [true, false]);
  both.pass(1);
  head(both, 1, 9_001);
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, true]);
});

Deno.test("nothing goes on before all have named their sources", () => {
  const both = order();
  both.onTick(tick(0, { p0: "behind" }));
  assertEquals(both.isAhead(0), false); // nothing that has a time
  head(both, 0, 1_000);
  assertEquals(both.isAhead(0), true);
  both.onTick(tick(1, {})); // a task without a partition
  assertEquals(both.isAhead(0), false);
});

Deno.test("a stream goes on to what it has still to name: what was sent before its flow changed", () => {
  const added = "second on worker 0";
  const origins = new Set([originOf(0), originOf(1), added]);
  const both = new StreamOrder({ driftMs: DRIFT_MS, origins });
  both.onTick(tick(1, { p1: "behind" }));
  head(both, 0, 1_000);
  head(both, 1, 1_000);
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, true]);
  both.onTick(tick(0, { p0: "behind" }));
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, true]); // the added one is to come
  both.onTick({ ...tick(0, {}), origin: added });
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, false]);
});

Deno.test("a source of which nothing is known goes on, and is waited for", () => {
  const both = behind();
  come(both, 0, 1_000);
  head(both, 0, 1_001);
  head(both, 1, 9_000);
  assertEquals([both.isAhead(0), both.isAhead(1)], [true, false]);
  both.pass(1);
  head(both, 1, 9_001);
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, true]);
});

for (const [what, states] of [["current", { p1: "current" }], ["ended", {}]] as const) {
  Deno.test(`nobody waits for a source that is ${what}, and it waits for others`, () => {
    const both = behind();
    come(both, 0, 1_000);
    come(both, 1, 899);
    head(both, 0, 5_000);
    assertEquals(both.isAhead(0), true);
    both.onTick(tick(1, states));
    assertEquals(both.isAhead(0), false);
    come(both, 1, 1_101);
    head(both, 1, 1_102);
    assertEquals(both.isAhead(1), true);
  });
}

Deno.test("a stream of several sources goes by the one that is least far", () => {
  const both = order(2, 0);
  for (const sender of [0, 1]) {
    both.onTick(tick(sender, { [`p${sender}`]: "behind", [`q${sender}`]: "behind" }));
    both.setHead(sender, originOf(sender), `q${sender}`, 1_000);
    both.pass(sender);
    come(both, sender, 5_000);
    head(both, sender, 6_000);
  }
  // Each may have what the other waits for, after what comes next.
  assertEquals([both.isAhead(0), both.isAhead(1)], [false, false]);
  both.setHead(0, originOf(0), "q0", 2_000);
  both.pass(0);
  head(both, 0, 6_000);
  assertEquals([both.isAhead(0), both.isAhead(1)], [true, false]);
});

Deno.test("an order continues from what a step had been delivered", () => {
  const both = order();
  both.resume({
    named: [originOf(0), originOf(1)],
    sources: [["p0", originOf(0), 2_000, "behind"], ["p1", originOf(1), 1_000, "behind"]],
  });
  head(both, 0, 2_001);
  assertEquals(both.isAhead(0), true);
  come(both, 1, 1_900);
  assertEquals(both.isAhead(0), false);
});

Deno.test("results of window steps wait for nobody", () => {
  const both = behind();
  both.onTick({ ...tick(0, { w: "behind" }), origin: "windows on worker 0" });
  both.setHead(0, "windows on worker 0", "windows on worker 0", 9_000);
  assertEquals(both.isAhead(0), false);
});
