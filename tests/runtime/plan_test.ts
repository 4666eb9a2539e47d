import { assertEquals } from "@std/assert";
import { Dataflow, TestingInputConfig } from "../../mod.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { idOf, planFlow } from "../../src/runtime/plan.ts";
import { RecordingOutput } from "../support/recording_output.ts";

const input = () => new TestingInputConfig<number>([]);
const sink = <T>() => new RecordingOutput<T>();

/** The stages that a flow is cut into: the head of each, and its ports. */
function stagesOf(build: (flow: Dataflow) => unknown): Record<string, string[]> {
  const flow = new Dataflow("plan");
  build(flow);
  const plan = planFlow(graphOf(flow), 1);
  return Object.fromEntries(
    plan.stages.map(({ head, ports }) => [idOf(plan, head), ports.map((port) => idOf(plan, port))]),
  );
}

Deno.test("planFlow() puts synchronous steps into the stage of what feeds them", () => {
  const stages = stagesOf((flow) =>
    flow.input("in", input()).map((n) => n).filter(() => true).redistribute().flatMap((n) => [n])
      .capture("out", sink())
  );
  assertEquals(stages, { in: ["out"] });
});

Deno.test("planFlow() cuts at mapAsync and at stateful steps", () => {
  const stages = stagesOf((flow) =>
    flow.input("in", input())
      .mapAsync(async function fetched(n) {
        return await Promise.resolve(n);
      })
      .keyOn((n) => `${n}`)
      .countFinal("count")
      .map((pair) => pair)
      .capture("out", sink())
  );
  assertEquals(stages, { in: ["fetched"], fetched: ["count"], count: ["out"] });
});

Deno.test("planFlow() gives a stage one port for a step that two of its branches feed", () => {
  const stages = stagesOf((flow) => {
    const [yes, no] = flow.input("in", input()).branch((n) => n > 0);
    yes.merge(no.map((n) => -n)).keyOn(() => "k").countFinal("count").capture("out", sink());
  });
  assertEquals(stages, { in: ["count"], count: ["out"] });
});

Deno.test("planFlow() keeps a merge inside the stage that all its streams come from", () => {
  const stages = stagesOf((flow) => {
    const numbers = flow.input("in", input());
    const [yes, no] = numbers.branch((n) => n > 0);
    numbers.merge(yes.merge(no), no).capture("out", sink());
  });
  assertEquals(stages, { in: ["out"] });
});

Deno.test("planFlow() makes a merge a stage when its streams come from several", () => {
  const stages = stagesOf((flow) => {
    const left = flow.input("left", input());
    const right = flow.input("right", input());
    left.merge(right.map((n) => n), left.map((n) => n)).capture("out", sink());
  });
  assertEquals(stages, { left: ["merge-1"], right: ["merge-1"], "merge-1": ["out"] });
});

Deno.test("planFlow() makes a merge a stage when one stream is ahead of the other", () => {
  const stages = stagesOf((flow) => {
    const numbers = flow.input("in", input());
    const slow = numbers.mapAsync(async function slow(n) {
      return await Promise.resolve(n);
    });
    numbers.merge(slow).capture("out", sink());
  });
  assertEquals(stages, { in: ["slow", "merge-1"], slow: ["merge-1"], "merge-1": ["out"] });
});

Deno.test("planFlow() keeps a stage that nothing reads", () => {
  const stages = stagesOf((flow) => {
    flow.input("in", input()).capture("out", sink());
    flow.input("unread", input()).map((n) => n);
  });
  assertEquals(stages, { in: ["out"], unread: [] });
});
