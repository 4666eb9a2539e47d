import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  Dataflow,
  FlowDefinitionError,
  run,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { isDataflow } from "../../src/dataflow/dataflow.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";

const input = () => new TestingInputConfig([1, 2, 3]);
const sink = <T>() => new RecordingOutput<T>();

Deno.test("a flow's name must be a non-empty string, and is flow when none is given", () => {
  for (const name of ["", 7, null]) {
    assertThrows(
      () => new Dataflow(name as string),
      TypeError,
      `a flow's name must be a non-empty string; got ${Deno.inspect(name)}`,
    );
  }
  assertEquals(graphOf(new Dataflow().input("in", input()).capture(sink())).name, "flow");
});

Deno.test("every step but input is refused on the root, with the step's name", () => {
  const root = new Dataflow("orders");
  const keyed = root as unknown as Dataflow<[string, number]>;
  const calls: Record<string, () => unknown> = {
    map: () => root.map((n) => n),
    flatMap: () => root.flatMap((n) => [n]),
    filter: () => root.filter(() => true),
    filterMap: () => root.filterMap((n) => n),
    inspect: () => root.inspect(() => {}),
    inspectEpoch: () => root.inspectEpoch(() => {}),
    mapAsync: () => root.mapAsync((n) => Promise.resolve(n)),
    merge: () => root.merge(),
    branch: () => root.branch(() => true),
    redistribute: () => root.redistribute(),
    keyOn: () => root.keyOn(() => "k"),
    capture: () => root.capture(sink()),
    mapValue: () => keyed.mapValue((n) => n),
    flatMapValue: () => keyed.flatMapValue((n) => [n]),
    'stateful step "count"': () => keyed.countFinal("count"),
    'stateful step "sum"': () => keyed.reduce("sum", (a) => a, () => true),
  };
  for (const [step, call] of Object.entries(calls)) {
    assertThrows(
      call,
      FlowDefinitionError,
      `${step} was called on the root of flow "orders", where no items are yet: ` +
        `start with .input(id, config)`,
    );
  }
});

Deno.test("merge refuses the root and another flow's stream as one of the others", () => {
  const flow = new Dataflow("mine");
  const numbers = flow.input("in", input());
  assertThrows(() => numbers.merge(flow), FlowDefinitionError, "merge was called on the root");
  const foreign = new Dataflow("yours").input("in", input());
  assertThrows(
    () => numbers.merge(foreign),
    FlowDefinitionError,
    `cannot merge a stream of flow "yours" into flow "mine"`,
  );
});

Deno.test("building a flow opens nothing and calls nothing", () => {
  const calls: string[] = [];
  const note = (call: string) => () => {
    calls.push(call);
    throw new Error(call);
  };
  new Dataflow("f").input<number>("in", { open: note("open input") })
    .map(note("map"))
    .keyOn(note("keyOn"))
    .foldFinal("fold", note("build"), note("fold"))
    .capture({ open: note("open output") });
  assertEquals(calls, []);
});

Deno.test("a handle branches the flow when it is used twice", async () => {
  const [tens, hundreds]: number[][] = [[], []];
  const numbers = new Dataflow("branches").input("in", input());
  numbers.map((n) => n * 10).capture(new TestingOutputConfig(tens));
  numbers.map((n) => n * 100).capture(new TestingOutputConfig(hundreds));
  await run(numbers);
  assertEquals([tens, hundreds], [[10, 20, 30], [100, 200, 300]]);
});

Deno.test("each step returns its own handle, and leaves the one before as it was", () => {
  const numbers = new Dataflow("handles").input("in", input());
  const handles: unknown[] = [
    numbers,
    numbers.map((n) => n),
    numbers.inspect(() => {}),
    numbers.redistribute(),
    numbers.merge(),
    ...numbers.branch(() => true),
    numbers.keyOn(String).countFinal("count"),
  ];
  assertEquals(new Set(handles).size, handles.length);
  for (const handle of handles) assert(handle instanceof Dataflow && Object.isFrozen(handle));
});

Deno.test("a flow that is exported and a handle in the middle of it run the same", async () => {
  const out: number[] = [];
  const root = new Dataflow("same");
  const numbers = root.input("in", input());
  numbers.capture(new TestingOutputConfig(out));
  for (const handle of [root, numbers]) await run(handle);
  assertEquals(out, [1, 2, 3, 1, 2, 3]);
});

Deno.test("isDataflow() knows handles from everything else", () => {
  const root = new Dataflow("f");
  assertEquals([root, root.input("in", input())].map(isDataflow), [true, true]);
  const others = [undefined, null, {}, Dataflow, () => root, "flow", [root]];
  assertEquals(others.map(isDataflow), others.map(() => false));
});

Deno.test("a capture's handle is the one it was called on, for keyed streams too", () => {
  const keyed = new Dataflow("f").input("in", input()).keyOn(String);
  assertStrictEquals(keyed.capture(sink()), keyed);
});
