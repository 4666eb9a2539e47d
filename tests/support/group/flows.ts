/** Flows for a group, with the topics that they read. */
import type { Keyed } from "../../../mod.ts";
import type { BuildFlow } from "./group_run.ts";

/** A flow, and what of its results does not depend on how its parts race. */
export interface GroupFlow {
  readonly build: BuildFlow;
  /** The topics, each with a number of partitions. Items of a key are in one partition. */
  readonly topics: Readonly<Record<string, number>>;
  /** Whether results of a key come in the order of its items. */
  readonly isOrdered: boolean;
}

type Item = Keyed<number>;

/** Returns how many values a key has had. It does not depend on their order. */
const count = (state: number): [state: number, out: number] => [state + 1, state + 1];
const sum = (state: number, value: number): [number, number] => [state + value, state + value];

/** By name. */
export const FLOWS: Readonly<Record<string, GroupFlow>> = {
  "stateless steps": {
    build: ({ input, output }) =>
      input<Item>("in", "numbers").filter(([, n]) => n % 3 > 0).mapValue((n) => 2 * n)
        .capture("out", output("out")),
    topics: { numbers: 4 },
    isOrdered: true,
  },
  "running sums": {
    build: ({ input, output }) =>
      input<Item>("in", "numbers").statefulMap("sum", () => 0, sum).capture("out", output("out")),
    topics: { numbers: 2 },
    isOrdered: true,
  },
  "a stateful step with mapAsync after it": {
    build: ({ input, output }) =>
      input<Item>("in", "numbers").stateful<number, number, number>("odd", (state = 0) => ({
        onItem(value, emit) {
          state += value;
          if (state % 2 === 1) emit(state);
        },
        isDone: () => state > 100,
        snapshot: () => state,
      })).mapAsync((pair) => Promise.resolve(pair)).capture("out", output("out")),
    topics: { numbers: 2 },
    isOrdered: true,
  },
  "redistribute": {
    build: ({ input, output }) =>
      input<Item>("in", "numbers").redistribute().mapValue((n) => n + 1)
        .capture("out", output("out")),
    topics: { numbers: 2 },
    isOrdered: false,
  },
  "two exchanges in a row": {
    build: ({ input, output }) =>
      input<Item>("in", "numbers").statefulMap("sum", () => 0, sum)
        .keyOn(([key, n]) => `${key}${n % 5}`).mapValue(([, n]) => n)
        .statefulMap("count", () => 0, count).capture("out", output("out")),
    topics: { numbers: 3 },
    isOrdered: true, // a count has one order only
  },
  "a join of two topics": {
    build: ({ input, output }) =>
      input<Item>("left", "numbers").join("pairs", input<Item>("right", "others"), {
        mode: "product",
      }).capture("out", output("out")),
    topics: { numbers: 2, others: 3 },
    isOrdered: false,
  },
  "a merge of an input with a keyed stream": {
    build: ({ input, output }) => {
      const sums = input<Item>("in", "numbers").statefulMap("sum", () => 0, sum);
      input<Item>("plain", "others").merge(sums).capture("out", output("out"));
    },
    topics: { numbers: 2, others: 5 },
    isOrdered: false,
  },
  "results that go back to the same part": {
    build: ({ input, output }) => {
      const sums = input<Item>("in", "numbers").statefulMap("sum", () => 0, sum);
      const counts = sums.keyOn(([, n]) => `${n % 4}`).mapValue(([, n]) => n)
        .statefulMap("count", () => 0, count);
      sums.merge(counts).capture("out", output("out"));
    },
    topics: { numbers: 2 },
    isOrdered: false,
  },
};
