import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Dataflow,
  FlowDefinitionError,
  type Keyed,
  run,
  StepError,
  type StepOptions,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../mod.ts";

type Stream = Dataflow<Keyed<number>>;

const fail = (): never => {
  throw new Error("no");
};

/** Each stateless step with a function, which throws. */
const FAILING: Readonly<Record<string, (s: Stream, options?: StepOptions) => Dataflow<unknown>>> = {
  map: (s, options) => s.map(() => fail(), options),
  flatMap: (s, options) => s.flatMap(() => fail(), options),
  filter: (s, options) => s.filter(() => fail(), options),
  filterMap: (s, options) => s.filterMap(() => fail(), options),
  inspect: (s, options) => s.inspect(() => fail(), options),
  inspectEpoch: (s, options) => s.inspectEpoch(() => fail(), options),
  mapAsync: (s, options) => s.mapAsync(() => Promise.reject(new Error("no")), options),
  branch: (s, options) => s.branch(() => fail(), options)[0],
  keyOn: (s, options) => s.keyOn(() => fail(), options),
  mapValue: (s, options) => s.mapValue(() => fail(), options),
  flatMapValue: (s, options) => s.flatMapValue(() => fail(), options),
};

/** Those without one. */
const PLAIN: typeof FAILING = {
  merge: (s, options) => options === undefined ? s.merge(s) : s.merge(s, options),
  redistribute: (s, options) => s.redistribute(options),
};

function source(): Stream {
  return new Dataflow("f").input("in", new TestingInputConfig<Keyed<number>>([["k", 1]]));
}

for (const [name, add] of Object.entries(FAILING)) {
  Deno.test(`an error of ${name} names the id that the step was given`, async () => {
    for (const [options, id] of [[{ id: "my step" }, "my step"], [undefined, `${name}-1`]]) {
      const flow = add(source(), options as StepOptions).capture(
        new TestingOutputConfig<unknown>([]),
      );
      const error = await assertRejects(() => run(flow), StepError);
      assertEquals(error.stepId, id);
    }
  });
}

for (const [name, add] of Object.entries({ ...FAILING, ...PLAIN })) {
  Deno.test(`the id of ${name} is refused where it is taken or no text, and so is an option`, () => {
    const stream = source();
    assertThrows(
      () => add(stream, { id: "in" }),
      FlowDefinitionError,
      'step id "in" is used twice in flow "f": give each step one of its own',
    );
    for (const id of ["", 7] as string[]) {
      assertThrows(
        () => add(stream, { id }),
        FlowDefinitionError,
        `a step id must be a non-empty string; got ${JSON.stringify(id)} in `,
      );
    }
    const mistyped = { ID: "x" } as StepOptions;
    assertThrows(() => add(stream, mistyped), TypeError, `${name} has no option "ID"`);
    if (name === "merge") return; // what is not an object is taken for a stream
    const text = "x" as unknown as StepOptions;
    assertThrows(() => add(stream, text), TypeError, `${name} accepts its options as an object`);
  });
}

Deno.test("the counts of a run have the ids that steps were given, a branch's with its sides", async () => {
  const stream = source().map(([, n]) => n, { id: "value" });
  const [small, large] = stream.branch((n) => n < 2, { id: "small?" });
  const merged = small.merge(large, { id: "all" }).redistribute({ id: "spread" });
  const { steps } = await run(merged.capture("out", new TestingOutputConfig<number>([])));
  assertEquals(steps.map(({ stepId, out }) => [stepId, out]), [
    ["in", 1],
    ["value", 1],
    ["small?", 1],
    ["small?.yes", 1],
    ["small?.no", 0],
    ["all", 1],
    ["spread", 1],
    ["out", 0],
  ]);
});

Deno.test("no step that names itself gets an id that was given to another", async () => {
  const stream = source().map((pair) => pair).map((pair) => pair, { id: "map-1" });
  const { steps } = await run(stream.capture(new TestingOutputConfig<Keyed<number>>([])));
  assertEquals(steps.map(({ stepId }) => stepId), ["in", "map-2", "map-1", "capture-1"]);
});

Deno.test("merge names what it accepts if one of the others is not a stream", () => {
  const stream = source();
  const others = ["x", null] as unknown as Stream[];
  for (const other of others) {
    assertThrows(
      () => stream.merge(other, stream),
      FlowDefinitionError,
      `merge takes streams, and options such as { id: "all" } last; got ${JSON.stringify(other)}`,
    );
  }
});
