import { assertEquals } from "@std/assert";
import type { PartitionRead } from "../../../src/connectors/kafka_recovery/read_state.ts";
import { ShownState } from "../../../src/connectors/kafka_recovery/shown_state.ts";
import type { WantedStates } from "../../../src/recovery/inspector.ts";

/** Steps, their keys, and how many bytes each state has, by partition. */
const STORE: Readonly<Record<string, Readonly<Record<string, number>>>>[] = [
  { total: { d: 4, a: 1 }, gone: {} },
  { total: { b: 2 }, other: { b: 9, x: 1 } },
  { total: { c: 3, e: 5 } },
];

/** Reads the store partition by partition, and returns what is kept of each. */
function shown(wanted: WantedStates | null) {
  const state = new ShownState(wanted);
  const kept: string[] = [];
  for (const [partition, steps] of STORE.entries()) {
    const read = Object.entries(steps).map(([step, keys]) => {
      const states = Object.entries(keys).map(([key, bytes]) => {
        const of = state.keep(step, key, new Uint8Array(bytes));
        if (typeof of !== "number") kept.push(`${step} ${key}`);
        return [key, of] as const;
      });
      return [step, new Map(states)] as const;
    });
    const marks = { store: "mine", epoch: partition };
    state.add({ steps: new Map(read), marks } satisfies PartitionRead<Uint8Array | number>);
  }
  const found = state.found("total").map(({ key, state }) => [key, state.length]);
  return { state, kept, found };
}

const SIZES = [{ step: "total", keys: 5, bytes: 15 }, { step: "other", keys: 2, bytes: 10 }];

Deno.test("an overview keeps sizes only", () => {
  const { state, kept, found } = shown(null);
  assertEquals(state.steps(), SIZES);
  assertEquals([kept, found], [[], []]);
  assertEquals(state.marks.map(({ epoch }) => epoch), [0, 1, 2]);
});

Deno.test("a step's first keys are found in all partitions, and no more are kept after each", () => {
  const { state, kept, found } = shown({ step: "total", first: 3 });
  assertEquals(state.steps(), SIZES);
  assertEquals(kept, ["total d", "total a", "total b", "total c", "total e"]);
  assertEquals(found, [["a", 1], ["b", 2], ["c", 3]]);
  assertEquals(state.found("other"), []);
});

Deno.test("only the states of the requested keys are kept", () => {
  const { state, kept, found } = shown({ step: "total", keys: ["b", "nobody"] });
  assertEquals(state.steps(), SIZES);
  assertEquals([kept, found], [["total b"], [["b", 2]]]);
});
