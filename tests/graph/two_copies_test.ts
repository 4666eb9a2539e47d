import {
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import * as ours from "../../mod.ts";
import { isDataflow } from "../../src/dataflow/dataflow.ts";
import { systemClock } from "../../src/core/clock.ts";
import { RunClock } from "../../src/core/run_clock.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { KeyedLogic, makeLogic, UserStep } from "../../src/graph/keyed_logic.ts";
import { stepScope } from "../../src/runtime/step_scope.ts";
import { loadSecondCopy } from "../support/second_copy.ts";

const theirs = await loadSecondCopy();

/** A flow that only the second copy of the module had a hand in. */
function theirFlow(out: [string, number][]) {
  const flow = new theirs.Dataflow("theirs");
  const words = flow.input(
    "in",
    new theirs.TestingInputConfig(["to", "be", "or", "not", "to", "be"]),
  );
  const [short, long] = words.branch((word) => word.length < 3);
  return short.merge(long)
    .mapAsync((word) => Promise.resolve(word))
    .keyOn((word) => word)
    .countFinal("count")
    .capture(new theirs.TestingOutputConfig(out));
}

Deno.test("the second copy of the module is one of its own", () => {
  assertNotStrictEquals(theirs.Dataflow, ours.Dataflow);
  assertNotStrictEquals(theirs.StepError, ours.StepError);
});

Deno.test("run() runs a flow that another copy of the module has built", async () => {
  const out: [string, number][] = [];
  const flow = theirFlow(out);
  assertEquals(isDataflow(flow), true);
  const { steps } = await ours.run(flow);
  assertEquals(new Map(out), new Map([["to", 2], ["be", 2], ["or", 1], ["not", 1]]));
  assertEquals(steps.find(({ stepId }) => stepId === "count")?.in, 6);
});

Deno.test("merge accepts a stream that another copy's step has extended", async () => {
  const out: number[] = [];
  const numbers = new ours.Dataflow("mixed").input("in", new ours.TestingInputConfig([1, 2]));
  const tens: ours.Dataflow<number> = theirs.Dataflow.prototype.map.call(
    numbers,
    (n: number) => n * 10,
  ) as ours.Dataflow<number>;
  numbers.merge(tens).capture(new theirs.TestingOutputConfig(out));
  await theirs.run(numbers);
  assertEquals(out.toSorted((a, b) => a - b), [1, 2, 10, 20]);
});

Deno.test("merge refuses a stream of another flow when the other copy has built it", () => {
  const mine = new ours.Dataflow("mine").input("in", new ours.TestingInputConfig([1]));
  const yours = new theirs.Dataflow("yours").input("in", new theirs.TestingInputConfig([1]));
  assertThrows(
    () => mine.merge(yours as unknown as typeof mine),
    ours.FlowDefinitionError,
    `cannot merge a stream of flow "yours" into flow "mine"`,
  );
});

Deno.test("run() rejects with its own copy's StepError, whose cause is the user's error", async () => {
  const broken = new Error("two");
  const flow = new theirs.Dataflow("theirs").input("in", new theirs.TestingInputConfig([1, 2]))
    .map(function half(n) {
      if (n === 2) throw broken;
      return n;
    })
    .capture(new theirs.TestingOutputConfig<number>([]));
  const error = await assertRejects(() => ours.run(flow), ours.StepError) as ours.StepError;
  assertEquals([error.name, error.stepId, error.item], ["StepError", "half", "2"]);
  assertStrictEquals(error.cause, broken);
});

Deno.test("run() shows the item and the user's error when another copy's output failed", async () => {
  const broken = new Error("two");
  const output = new theirs.ManualOutputConfig<number>(() => (n) => {
    if (n === 2) throw broken;
  });
  const flow = new theirs.Dataflow("theirs").input("in", new theirs.TestingInputConfig([1, 2]))
    .capture("out", output);
  const error = await assertRejects(() => ours.run(flow), ours.StepError) as ours.StepError;
  assertEquals([error.stepId, error.item], ["out", "2"]);
  assertStrictEquals(error.cause, broken);
});

Deno.test("run() refuses another copy's flow when it has no output", async () => {
  const flow = new theirs.Dataflow("f").input("in", new theirs.TestingInputConfig([1]));
  await assertRejects(async () => await ours.run(flow), ours.FlowDefinitionError, "has no output");
});

Deno.test("the logic of a window step of another copy is the engine's own record of its keys", () => {
  const flow = new theirs.Dataflow("windows")
    .input("in", new theirs.TestingInputConfig([1]))
    .map((n): [string, number] => ["k", n])
    .countWindow(
      "windows",
      new theirs.EventClockConfig({ getTime: (n: number) => n, wait: 0 }),
      new theirs.TumblingWindowConfig({ length: 10 }),
    )
    .capture(new theirs.TestingOutputConfig<[string, number]>([]));
  const step = graphOf(flow).nodes.find((node) => node.kind === "stateful")!;
  const scope = stepScope(new RunClock(systemClock), () => 0);
  const built = step.begin(scope)(undefined, "k", false);
  assertEquals(built instanceof KeyedLogic, false);
  // Wrapped as a user's, it would not be told of the sources' time, nor of partial results.
  assertStrictEquals(makeLogic(built, "k", new UserStep()), built as unknown as KeyedLogic);
});
