import { assertEquals } from "@std/assert";
import { Dataflow, type Keyed, TestingInputConfig } from "../../mod.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { combinerOf, idOf, planFlow } from "../../src/runtime/plan.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";

const input = () => new TestingInputConfig<number>([]);
const sink = <T>() => new RecordingOutput<T>();

/** The stages that a flow is cut into: the head of each, and its ports. */
function stagesOf(build: (flow: Dataflow) => unknown, workers = 1): Record<string, string[]> {
  const flow = new Dataflow("plan");
  build(flow);
  const plan = planFlow(graphOf(flow), workers);
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

const keyOf = (n: number) => `${n}`;

/** The stages for two workers, of steps between an input and an output. */
function stagesOfTwo(steps: (numbers: Dataflow<number>) => Dataflow<unknown>) {
  return stagesOf((flow) => steps(flow.input("in", input())).capture("out", sink()), 2);
}

Deno.test("planFlow() makes an exchange a stage when there are several workers, and only then", () => {
  const build = (flow: Dataflow) =>
    flow.input("in", input()).keyOn(keyOf).countFinal("count").capture("out", sink());
  assertEquals(stagesOf(build, 1), { in: ["count"], count: ["out"] });
  const several = { in: ["by-key-1"], "by-key-1": ["count"], count: ["out"] };
  assertEquals(stagesOf(build, 2), several);
  assertEquals(stagesOf(build, 1024), several);
});

Deno.test("planFlow() gives no exchange to a flow that needs none, on several workers", () => {
  const stages = stagesOfTwo((numbers) => numbers.map((n) => n + 1).keyOn(keyOf));
  assertEquals(stages, { in: ["out"] });
});

Deno.test("planFlow() makes redistribute a stage on several workers, also where there are keys", () => {
  assertEquals(
    stagesOfTwo((numbers) => numbers.map((n) => n).redistribute().filter(() => true)),
    { in: ["redistribute-1"], "redistribute-1": ["out"] },
  );
  assertEquals(
    stagesOfTwo((numbers) =>
      numbers.keyOn(keyOf).countFinal("one").redistribute().countFinal("two")
    ),
    {
      in: ["by-key-1"],
      "by-key-1": ["one"],
      one: ["redistribute-1"],
      "redistribute-1": ["by-key-2"],
      "by-key-2": ["two"],
      two: ["out"],
    },
  );
});

Deno.test("planFlow() fuses a step of one output for each value with the exchange before it", () => {
  const total = (counts: Dataflow<Keyed<number>>, stepId: string) =>
    counts.statefulMap(stepId, () => 0, (sum, n) => [sum + n, sum + n]);
  const once = (numbers: Dataflow<number>) => total(numbers.keyOn(keyOf), "once");
  assertEquals(stagesOfTwo(once), { in: ["by-key-1"], "by-key-1": ["out"] });
  assertEquals(
    stagesOfTwo((numbers) => total(once(numbers).mapValue((n) => -n), "twice")),
    { in: ["by-key-1"], "by-key-1": ["out"] },
  );
});

Deno.test("planFlow() exchanges nothing between stateful steps", () => {
  assertEquals(
    stagesOfTwo((numbers) => numbers.keyOn(keyOf).countFinal("one").countFinal("two")),
    { in: ["by-key-1"], "by-key-1": ["one"], one: ["two"], two: ["out"] },
  );
});

/** Steps between two stateful ones. */
const BETWEEN: Record<string, (counts: Dataflow<Keyed<number>>) => Dataflow<Keyed<number>>> = {
  mapValue: (counts) => counts.mapValue((n) => n + 1),
  flatMapValue: (counts) => counts.flatMapValue((n) => [n, n]),
  filter: (counts) => counts.filter(() => true),
  inspect: (counts) => counts.inspect(() => {}),
  inspectEpoch: (counts) => counts.inspectEpoch(() => {}),
  branch: (counts) => counts.branch(([, n]) => n > 1)[1],
  merge: (counts) => counts.filter(() => true).merge(counts),
  map: (counts) => counts.map((pair) => pair),
  keyOn: (counts) => counts.keyOn(([key]) => key).mapValue(([, n]) => n),
  flatMap: (counts) => counts.flatMap((pair) => [pair]),
  filterMap: (counts) => counts.filterMap((pair) => pair),
};

const KEEPING = [
  "mapValue",
  "flatMapValue",
  "filter",
  "inspect",
  "inspectEpoch",
  "branch",
  "merge",
];

for (const [name, between] of Object.entries(BETWEEN)) {
  const keeps = KEEPING.includes(name);
  Deno.test(`planFlow() ${keeps ? "lets items stay" : "sends items to their keys' owners"} after ${name}`, () => {
    const stages = stagesOfTwo((numbers) =>
      between(numbers.keyOn(keyOf).countFinal("one")).countFinal("two")
    );
    assertEquals(stages, {
      in: ["by-key-1"],
      "by-key-1": ["one"],
      two: ["out"],
      ...keeps ? { one: ["two"] } : { one: ["by-key-2"], "by-key-2": ["two"] },
    });
  });
}

Deno.test("planFlow() sends items to their keys' owners after mapAsync", () => {
  const stages = stagesOfTwo((numbers) =>
    numbers.keyOn(keyOf).countFinal("one")
      .mapAsync(async function looked(pair) {
        return await Promise.resolve(pair);
      })
      .countFinal("two")
  );
  assertEquals(stages, {
    in: ["by-key-1"],
    "by-key-1": ["one"],
    one: ["looked"],
    looked: ["by-key-2"],
    "by-key-2": ["two"],
    two: ["out"],
  });
});

Deno.test("planFlow() lets items stay where all streams of a merge are with their keys' owners", () => {
  const stages = stagesOfTwo((numbers) => {
    const keyed = numbers.keyOn(keyOf);
    return keyed.countFinal("left").merge(keyed.countFinal("right").mapValue((n) => -n))
      .countFinal("both");
  });
  assertEquals(stages, {
    in: ["by-key-1", "by-key-2"],
    "by-key-1": ["left"],
    "by-key-2": ["right"],
    left: ["merge-1"],
    right: ["merge-1"],
    "merge-1": ["both"],
    both: ["out"],
  });
});

Deno.test("planFlow() exchanges a merge when one of its streams is not with its keys' owners", () => {
  const stages = stagesOfTwo((numbers) => {
    const keyed = numbers.keyOn(keyOf);
    return keyed.countFinal("left").merge(keyed).countFinal("both");
  });
  assertEquals(stages, {
    in: ["by-key-1", "merge-1"],
    "by-key-1": ["left"],
    left: ["merge-1"],
    "merge-1": ["by-key-2"],
    "by-key-2": ["both"],
    both: ["out"],
  });
});

Deno.test("combinerOf() is there for what combines and crosses, and for nothing else", () => {
  const flow = new Dataflow("plan");
  const keyed = flow.input("in", input()).redistribute().keyOn((n) => `${n}`);
  const counted = keyed.countFinal("count");
  counted.maxFinal("stays").capture("out", sink());
  keyed.reduceFinal("reduce", (a) => a).capture("out-2", sink());
  const combined = (workers: number) => {
    const plan = planFlow(graphOf(flow), workers);
    return plan.graph.nodes.filter((node) => node.kind === "exchange")
      .filter((node) => combinerOf(plan, node) !== null)
      .map((node) => plan.consumers.get(node)!.map((step) => idOf(plan, step)));
  };
  assertEquals(combined(2), [["count"]]);
  assertEquals(combined(1), []);
});
