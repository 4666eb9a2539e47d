import { assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  TestingInputConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "millrace";
import { graphOf } from "../../src/graph/graph.ts";
import { countSteps, unreadStreams } from "../../src/graph/written_steps.ts";

type Numbers = Dataflow<Keyed<number>>;

const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
const windower = new TumblingWindowConfig({ length: 10 });
const sink = () => new TestingOutputConfig<unknown>([]);

/** The flow with one input that `write` goes on with. */
function flowWith(write: (numbers: Numbers) => unknown): Numbers {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig<Keyed<number>>([]));
  write(numbers);
  return numbers;
}

Deno.test("countSteps() counts what the user wrote, whatever a step is made of", () => {
  const written: [count: number, write: (numbers: Numbers) => unknown][] = [
    [3, (numbers) => numbers.countFinal("n").capture(sink())],
    [3, (numbers) => numbers.countWindow("w", clock, windower).capture(sink())],
    [3, (numbers) => numbers.countWindow("w", clock, windower).windows.capture(sink())],
    [4, (numbers) => numbers.join("j", numbers.merge()).capture(sink())],
    [4, (numbers) => numbers.branch(() => true)[1].redistribute().capture(sink())],
  ];
  for (const [count, write] of written) {
    assertEquals(countSteps(graphOf(flowWith(write))), count, String(write));
  }
});

Deno.test("unreadStreams() finds every stream that nothing reads", () => {
  const read = (numbers: Numbers) => numbers.capture(sink());
  const cases: [unread: [step: string, side: "yes" | "no" | null][], (numbers: Numbers) => void][] =
    [
      [[], () => {}],
      [[["map-1", null]], (numbers) => numbers.map((n) => n)],
      [[["fetched", null]], (numbers) =>
        numbers.mapAsync(async function fetched(n) {
          return await Promise.resolve(n);
        })],
      [[["n", null]], (numbers) => numbers.countFinal("n")],
      [[["branch-1", "no"]], (numbers) => numbers.branch(() => true)[0].capture(sink())],
      [[["branch-1", "yes"], ["branch-1", "no"]], (numbers) => numbers.branch(() => true)],
      [[], (numbers) => numbers.map((n) => n).inspect(() => {})],
      [[], (numbers) => numbers.inspectEpoch(() => {})],
    ];
  for (const [unread, write] of cases) {
    const flow = flowWith((numbers) => {
      read(numbers);
      write(numbers);
    });
    const expected = unread.map(([step, side]) => ({ step, side }));
    assertEquals(unreadStreams(graphOf(flow)), expected, String(write));
  }
  const second = flowWith((numbers) => {
    read(numbers);
    numbers.input("other", new TestingInputConfig([]));
  });
  assertEquals(unreadStreams(graphOf(second)), [{ step: "other", side: null }]);
});

Deno.test("unreadStreams() counts a window as read in either form of its results", () => {
  const unread = (read: "results" | "windows" | "late" | "none") =>
    unreadStreams(graphOf(flowWith((numbers) => {
      numbers.capture(sink());
      const results = numbers.countWindow("w", clock, windower);
      const streams: Record<string, Dataflow<unknown>> = { results, late: results.late };
      if (read === "windows") results.windows.capture(sink());
      else streams[read]?.capture(sink());
    })));
  assertEquals(unread("results"), []);
  assertEquals(unread("windows"), []);
  assertEquals(unread("late"), [{ step: "w", side: null }]);
  assertEquals(unread("none"), [{ step: "w", side: null }]);
});
