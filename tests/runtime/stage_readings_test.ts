import { assertEquals } from "@std/assert";
import { Dataflow, type Keyed, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { describeFlow } from "../../src/runtime/flow_description.ts";
import { planFlow } from "../../src/runtime/plan.ts";
import { numberStages, readStages } from "../../src/runtime/stage_readings.ts";

function flowOfTwo() {
  const ids = new Dataflow("flow").input("in", new TestingInputConfig([1, 2]))
    .map((n): Keyed<number> => [`${n}`, n]);
  const looked = ids.mapAsync((pair) => Promise.resolve(pair), { id: "look" });
  const joined = ids.join("both", looked);
  return joined.capture("out", new TestingOutputConfig<unknown>([]));
}

/** The number of each stage, with `+` where it is part of one that people see, and the outputs. */
function numbersOf(workers: number): string[] {
  const plan = planFlow(graphOf(flowOfTwo()), workers);
  const numbers = numberStages(plan);
  return [...plan.stages.map(({ head }) => head), ...plan.captures].map((node) => {
    const { stage, isHidden } = numbers.get(node)!;
    return `${plan.graph.ids.get(node)}: ${isHidden ? "+" : ""}${stage}`;
  });
}

Deno.test("stages have the numbers of the flow's description; what the user did not write belongs to the stage downstream", () => {
  for (const workers of [1, 2]) {
    const { steps } = describeFlow(graphOf(flowOfTwo()), workers);
    assertEquals(steps.map(({ id, stage }) => `${id}: ${stage}`), [
      "in: 0",
      "map-1: 0",
      "look: 1",
      "both: 2",
      "out: 3",
    ]);
  }
  assertEquals(numbersOf(1), ["in: 0", "look: 1", "both-sides: +2", "both: 2", "out: 3"]);
  assertEquals(numbersOf(2), [
    "in: 0",
    "look: 1",
    "both-sides: +2",
    "by-key-1: +2",
    "both: 2",
    "out: 3",
  ]);
});

Deno.test("a stage is busy with what brings its items, and not backpressured by itself", () => {
  const parts = [
    { stage: 1, isHidden: false, queued: 4 },
    { stage: 1, isHidden: true, queued: 3 },
    { stage: 0, isHidden: false, queued: 0 },
  ];
  const times = [
    { busyMs: 10, backpressuredMs: 5 },
    { busyMs: 2, backpressuredMs: 70 },
    { busyMs: 90, backpressuredMs: 20 },
  ];
  assertEquals(readStages(parts, times, 100), [
    { stage: 0, busyMs: 90, backpressuredMs: 20, idleMs: 0, queued: 0 },
    { stage: 1, busyMs: 12, backpressuredMs: 5, idleMs: 83, queued: 7 },
  ]);
});
