import { assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "../../mod.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { describeFlow } from "../../src/runtime/flow_description.ts";

const numbers = () => new Dataflow("flow").input("in", new TestingInputConfig([1, 2, 3]));
const out = () => new TestingOutputConfig<unknown>([]);

/** Each step as `id: kind, stage < streams`; an arrow marks a stream that changes workers. */
function steps(flow: Dataflow<unknown>, workers: number): string[] {
  return describeFlow(graphOf(flow), workers).steps.map(({ id, kind, stage, from }) => {
    const streams = from.map(({ step, stream, isExchanged }) =>
      `${isExchanged ? "→" : ""}${step}${stream === null ? "" : `.${stream}`}`
    );
    return `${id}: ${kind}, ${stage}${streams.length === 0 ? "" : ` < ${streams.join(" ")}`}`;
  });
}

Deno.test("a flow is described by the steps that the user wrote", () => {
  const keyed = numbers().map((n): Keyed<number> => [`${n % 2}`, n]);
  const sums = keyed.statefulMap("sums", () => 0, (sum: number, n) => [sum + n, sum + n]);
  const flow = sums.capture("out", out());
  assertEquals(steps(flow, 1), [
    "in: input, 0",
    "map-1: map, 0 < in",
    "sums: stateful, 0 < map-1",
    "out: capture, 1 < sums",
  ]);
  assertEquals(steps(flow, 2), [
    "in: input, 0",
    "map-1: map, 0 < in",
    "sums: stateful, 1 < →map-1",
    "out: capture, 2 < sums",
  ]);
});

Deno.test("the streams of a branch and of a window step are named", () => {
  const [odd, even] = numbers().branch((n) => n % 2 === 1, { id: "odd" });
  const windows = odd.map((n): Keyed<number> => ["k", n]).countWindow(
    "counts",
    new EventClockConfig({ getTime: (n: number) => n, wait: 0 }),
    new TumblingWindowConfig({ length: 10 }),
  );
  windows.late.capture("late", out());
  windows.windows.capture("windows", out());
  even.capture("even", out());
  const flow = windows.capture("out", out());
  assertEquals(steps(flow, 2), [
    "in: input, 0",
    "odd: branch, 0 < in",
    "map-1: map, 0 < odd.yes",
    "counts: window, 1 < →map-1",
    "late: capture, 2 < counts.late",
    "windows: capture, 3 < counts",
    "even: capture, 4 < odd.no",
    "out: capture, 5 < counts",
  ]);
});

Deno.test("a join reads its sides, and redistribute is a step", () => {
  const left = numbers().redistribute().map((n): Keyed<number> => ["k", n]);
  const right = left.mapValue((n) => `${n}`);
  const flow = left.join("both", right).capture("out", out());
  assertEquals(steps(flow, 3), [
    "in: input, 0",
    "redistribute-1: redistribute, 1 < →in",
    "map-1: map, 1 < redistribute-1",
    "mapValue-1: mapValue, 1 < map-1",
    "both: stateful, 2 < →map-1 →mapValue-1",
    "out: capture, 3 < both",
  ]);
});
