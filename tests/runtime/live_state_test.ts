import { assertEquals } from "@std/assert";
import { decodeValue } from "../../src/core/value_codec.ts";
import { KeyedLogic } from "../../src/graph/keyed_logic.ts";
import type { KeyState, StateAnswer } from "../../src/ops/state_question.ts";
import { answerOf } from "../../src/runtime/live_state.ts";

/** A key with a state. */
class Fixed extends KeyedLogic<unknown, unknown, unknown> {
  constructor(key: string, readonly state: unknown) {
    super();
    this.key = key;
  }

  onItem(): void {}

  snapshot(): unknown {
    if (this.state instanceof Error) throw this.state;
    return this.state;
  }
}

const keysOf = (states: Record<string, unknown>) => ({
  keys: new Map(Object.entries(states).map(([key, state]) => [key, new Fixed(key, state)])),
});

const STEPS = new Map([
  ["sum", keysOf({ a: 1, b: { total: 2 }, c: new Error("broken"), d: () => {} })],
  ["none", keysOf({})],
]);

const shown = ({ states }: StateAnswer) =>
  states.map((state: KeyState) => [
    state.key,
    "error" in state ? "error" : decodeValue(state.state),
  ]);

Deno.test("a worker tells how many keys its steps have", () => {
  assertEquals(answerOf({ kind: "steps" }, [STEPS]).steps, [
    { step: "sum", keys: 4 },
    { step: "none", keys: 0 },
  ]);
});

Deno.test("a worker tells the state of a key, or that it has none", () => {
  const of = (step: string, key: string) => shown(answerOf({ kind: "key", step, key }, [STEPS]));
  assertEquals(of("sum", "b"), [["b", { total: 2 }]]);
  assertEquals([of("sum", "z"), of("none", "a"), of("gone", "a")], [[], [], []]);
});

Deno.test("a worker tells some keys of a step, also those whose state cannot be shown", () => {
  const of = (from: number, count: number) =>
    shown(answerOf({ kind: "keys", step: "sum", from, count }, [STEPS]));
  assertEquals(of(0, 2), [["a", 1], ["b", { total: 2 }]]);
  assertEquals(of(2, 5), [["c", "error"], ["d", "error"]]);
  assertEquals(of(4, 5), []);
});

Deno.test("an answer with large states has fewer of them, and says so", () => {
  const large = Object.fromEntries(
    Array.from({ length: 9 }, (_, i) => [`k${i}`, "x".repeat(500_000)]),
  );
  const steps = new Map([["sum", keysOf(large)]]);
  const of = (from: number) => answerOf({ kind: "keys", step: "sum", from, count: 9 }, [steps]);
  const sizes = [];
  let from = 0;
  for (let isCut: boolean | undefined = true; isCut;) {
    const answer = of(from);
    from += answer.states.length;
    isCut = answer.isCut;
    sizes.push(answer.states.length);
  }
  assertEquals(sizes, [3, 3, 3]);
});

Deno.test("a state or a key that is too large for an answer is not shown", () => {
  const longKey = "k".repeat(3_000_000);
  const steps = new Map([["sum", keysOf({ a: "x".repeat(9_000_000), [longKey]: 1, b: 2 })]]);
  const { states } = answerOf({ kind: "keys", step: "sum", from: 0, count: 9 }, [steps]);
  const why = "the key and its state take 9 MiB, and no more than 2 MiB are shown";
  assertEquals(
    states.map((state) => [state.key.length, "error" in state ? state.error : "shown"]),
    [[1, why], [1_001, why], [1, "shown"]],
  );
  const failing = new Map([["sum", keysOf({ a: new Error("x".repeat(5_000)) })]]);
  const [state] = answerOf({ kind: "key", step: "sum", key: "a" }, [failing]).states;
  assertEquals("error" in state && state.error.length, 1_000);
});
