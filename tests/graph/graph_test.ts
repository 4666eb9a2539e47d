import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Dataflow, FlowDefinitionError, TestingInputConfig } from "../../mod.ts";
import { describeSteps, FLOW_BRAND, graphOf, positionOf } from "../../src/graph/graph.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";

const input = () => new TestingInputConfig([1, 2, 3]);
const sink = <T>() => new RecordingOutput<T>();

/** The ids that the steps of a flow get, in the order in which they were written. */
function idsOf(build: (numbers: Dataflow<number>) => unknown): string[] {
  const numbers = new Dataflow("names").input("in", input());
  build(numbers);
  const graph = graphOf(numbers.capture("out", sink()));
  return graph.nodes.map((node) => graph.ids.get(node)!).slice(1, -1);
}

Deno.test("an input refuses an id that is taken, where it is written", () => {
  const flow = new Dataflow("orders");
  flow.input("in", input());
  assertThrows(
    () => flow.input("in", input()),
    FlowDefinitionError,
    `step id "in" is used twice in flow "orders"`,
  );
});

Deno.test("a stateful step and a capture refuse an id that is taken", () => {
  const keyed = new Dataflow("orders").input("in", input()).keyOn(String);
  keyed.countFinal("count");
  const message = `step id "count" is used twice`;
  assertThrows(() => keyed.countFinal("count"), FlowDefinitionError, message);
  assertThrows(() => keyed.capture("count", sink()), FlowDefinitionError, message);
  assertThrows(() => keyed.reduceFinal("in", (a) => a), FlowDefinitionError, `step id "in"`);
});

Deno.test("a flow stays as it was when a step was refused", () => {
  const flow = new Dataflow("orders");
  const numbers = flow.input("in", input());
  assertThrows(() => numbers.capture("in", sink()), FlowDefinitionError);
  numbers.capture("out", sink());
  assertEquals(graphOf(flow).nodes.map((node) => node.kind), ["input", "capture"]);
});

Deno.test("two flows may use one id", () => {
  const flows = ["a", "b"].map((name) => new Dataflow(name).input("in", input()).capture(sink()));
  assertEquals(flows.map((flow) => graphOf(flow).nodes.length), [2, 2]);
});

Deno.test("an id must be a non-empty string", () => {
  for (const id of ["", 7, null, undefined, {}]) {
    assertThrows(
      () => new Dataflow("f").input(id as string, input()),
      FlowDefinitionError,
      `a step id must be a non-empty string; got ${Deno.inspect(id)}`,
    );
  }
});

Deno.test("graphOf() refuses a flow that has no input or no output, and what is not a flow", () => {
  assertThrows(() => graphOf(new Dataflow("f")), FlowDefinitionError, `flow "f" has no input`);
  assertThrows(
    () => graphOf(new Dataflow("f").input("in", input()).map((n) => n)),
    FlowDefinitionError,
    `flow "f" has no output`,
  );
  for (const value of [null, undefined, 1, "flow", {}, () => {}]) {
    assertThrows(
      () => graphOf(value),
      TypeError,
      "expected a Dataflow, such as what .capture(config) returns; got",
    );
  }
});

Deno.test("graphOf() returns the whole flow for any of its handles", () => {
  const root = new Dataflow("f");
  const numbers = root.input("in", input());
  const mapped = numbers.map((n) => n).capture(sink());
  const nodes = graphOf(root).nodes;
  assertEquals(nodes.length, 3);
  for (const handle of [numbers, mapped]) assertEquals(graphOf(handle).nodes, nodes);
});

Deno.test("graphOf() returns a graph that does not change when the flow grows", () => {
  const numbers = new Dataflow("f").input("in", input()).capture(sink());
  const graph = graphOf(numbers);
  numbers.map((n) => n);
  assertEquals(graph.nodes.length, 2);
  assert(Object.isFrozen(graph) && Object.isFrozen(graph.nodes));
});

Deno.test("a step is called after its function, and numbered when that has no name", () => {
  function parse(n: number) {
    return n;
  }
  const format = (n: number) => n;
  assertEquals(
    idsOf((numbers) =>
      numbers.map(parse).map((n) => n).map(format).filter(() => true).map((n) => n)
        .mapAsync(async function fetched(n) {
          return await Promise.resolve(n);
        })
        .redistribute()
    ),
    ["parse", "map-1", "format", "filter-1", "map-2", "fetched", "redistribute-1"],
  );
});

Deno.test("the second step of one function gets a number", () => {
  const twice = (n: number) => n * 2;
  assertEquals(idsOf((numbers) => numbers.map(twice).map(twice).map(twice)), [
    "twice",
    "twice-2",
    "twice-3",
  ]);
});

Deno.test("a step gives up its name if the user later names another so", () => {
  function count(n: number) {
    return n;
  }
  assertEquals(
    idsOf((numbers) =>
      numbers.map(count).map((n) => n).keyOn(String).countFinal("count").countFinal("map-1")
    ),
    ["count-2", "map-2", "String", "by-key-1", "count", "by-key-2", "map-1"],
  );
});

Deno.test("a branch has names for the question and for both answers", () => {
  assertEquals(
    idsOf((numbers) => {
      const [large] = numbers.branch(function isLarge(n) {
        return n > 1;
      });
      large.branch((n) => n > 2);
    }),
    ["isLarge", "yes", "no", "branch-1", "yes-2", "no-2"],
  );
});

Deno.test("captures are numbered when they are given no id", () => {
  assertEquals(
    idsOf((numbers) => numbers.capture(sink()).capture("named", sink()).capture(sink())),
    [
      "capture-1",
      "named",
      "capture-2",
    ],
  );
});

Deno.test("nodes and handles are frozen", () => {
  const numbers = new Dataflow("f").input("in", input()).map((n) => n).keyOn(String);
  const counted = numbers.countFinal("count").merge().capture(sink());
  for (const node of graphOf(counted).nodes) {
    assert(Object.isFrozen(node) && Object.isFrozen(node.name) && Object.isFrozen(node.upstreams));
  }
  for (const handle of [new Dataflow("root"), numbers, counted]) {
    assert(Object.isFrozen(handle) && Object.isFrozen(handle[FLOW_BRAND]));
  }
});

Deno.test("positionOf() knows a handle by its brand alone", () => {
  const numbers = new Dataflow("f").input("in", input());
  const copied = { [Symbol.for("millrace.dataflow")]: numbers[FLOW_BRAND] };
  assertStrictEquals(positionOf(copied), numbers[FLOW_BRAND]);
  assertStrictEquals(FLOW_BRAND, Symbol.for("millrace.dataflow"));
  assertEquals([null, {}, 1].map(positionOf), [null, null, null]);
});

/** A flow with steps of every kind, as text. */
function described(name: string, second: (n: number) => number): string[] {
  const flow = new Dataflow(name);
  const numbers = flow.input("in", input()).map((n) => n).map(second);
  const [large, small] = numbers.branch(function isLarge(n) {
    return n > 1;
  });
  large.merge(small, numbers)
    .redistribute()
    .mapAsync(async function fetched(n) {
      return await Promise.resolve(n);
    })
    .keyOn(String)
    .countFinal('the "count"')
    .capture(sink());
  return describeSteps(graphOf(flow));
}

Deno.test("describeSteps() returns a line for each step: what it is, its id and what it reads", () => {
  assertEquals(
    described("f", function twice(n) {
      return n * 2;
    }),
    [
      `input "in"`,
      `map "map-1" < "in"`,
      `map "twice" < "map-1"`,
      `branch "isLarge" < "twice"`,
      `branch "yes" < "isLarge"`,
      `branch "no" < "isLarge"`,
      `merge "merge-1" < "yes" < "no" < "twice"`,
      `exchange "redistribute-1" < "merge-1"`,
      `async "fetched" < "redistribute-1"`,
      `keyOn "String" < "fetched"`,
      `exchange "by-key-1" < "String"`,
      `stateful "the \\"count\\"" < "by-key-1"`,
      `capture "capture-1" < "the \\"count\\""`,
    ],
  );
});

Deno.test("describeSteps() returns the same for a flow that is written again, and differs with a step", () => {
  function half(n: number) {
    return n / 2;
  }
  assertEquals(described("f", half), described("f", half));
  const other = described("f", (n) => n);
  assertEquals(
    described("f", half).map((line, i) => line === other[i]).indexOf(false),
    2,
  );
  const streams = (flip: boolean) => {
    const flow = new Dataflow("f");
    const [a, b] = [flow.input("a", input()), flow.input("b", input())];
    (flip ? b.merge(a) : a.merge(b)).capture(sink());
    return describeSteps(graphOf(flow))[2];
  };
  assertEquals([streams(false), streams(true)], [
    `merge "merge-1" < "a" < "b"`,
    `merge "merge-1" < "b" < "a"`,
  ]);
});
