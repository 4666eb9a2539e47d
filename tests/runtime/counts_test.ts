import { assertEquals } from "@std/assert";
import { Dataflow, run, TestingInputConfig } from "../../mod.ts";
import { sumCounts } from "../../src/runtime/counts.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { stepsOf } from "../support/runtime/step_counts.ts";

/** `id: in>out` of each step of a flow that has run. */
async function countsOf(build: (numbers: Dataflow<number>) => unknown): Promise<string[]> {
  const numbers = new Dataflow("counts").input("in", new TestingInputConfig([1, 2, 3]));
  build(numbers);
  const { steps } = await run(numbers);
  return steps.map((step) => `${step.stepId}: ${step.in}>${step.out}`);
}

Deno.test("counts follow from the step before when a step lets every item through", async () => {
  const counts = await countsOf((numbers) =>
    numbers.filter((n) => n > 1).map((n) => n).inspect(() => {}).redistribute().map((n) => n)
      .capture("out", new RecordingOutput())
  );
  assertEquals(counts, [
    "in: 0>3",
    "filter-1: 3>2",
    "map-1: 2>2",
    "inspect-1: 2>2",
    "redistribute-1: 2>2",
    "map-2: 2>2",
    "out: 2>0",
  ]);
});

Deno.test("counts have no line for the exchange before a stateful step", async () => {
  const counts = await countsOf((numbers) =>
    numbers.keyOn((n) => `${n % 2}`).countFinal("count").capture("out", new RecordingOutput())
  );
  assertEquals(counts, ["in: 0>3", "keyOn-1: 3>3", "count: 3>2", "out: 2>0"]);
});

Deno.test("counts of a merge add up those of its streams", async () => {
  const counts = await countsOf((numbers) =>
    numbers.merge(numbers.filter((n) => n === 1), numbers).capture("out", new RecordingOutput())
  );
  assertEquals(counts, ["in: 0>3", "filter-1: 3>1", "merge-1: 7>7", "out: 7>0"]);
});

Deno.test("counts of steps that nothing reads are there all the same", async () => {
  const counts = await countsOf((numbers) => {
    numbers.capture("out", new RecordingOutput());
    numbers.flatMap((n) => [n, n]).map((n) => n);
  });
  assertEquals(counts, ["in: 0>3", "out: 3>0", "flatMap-1: 3>6", "map-1: 6>6"]);
});

Deno.test("counts of a stopped run are those of what was read", async () => {
  const stop = new AbortController();
  const out = new RecordingOutput<number>();
  const flow = new Dataflow("stopped")
    .input("in", new TestingInputConfig([1, 2, 3, 4], { batchSize: 2 }))
    .inspect(() => stop.abort())
    .capture("out", out);
  const { steps } = await run(flow, { signal: stop.signal });
  assertEquals(steps.map(({ in: into, out }) => [into, out]), [[0, 1], [1, 1], [1, 0]]);
});

Deno.test("sumCounts() adds up what goes in and out of each step, over all workers", () => {
  const workers = [stepsOf(1, 2, 3), stepsOf(10, 20, 30), stepsOf(100, 200, 300)];
  assertEquals(sumCounts(workers), stepsOf(111, 222, 333));
  assertEquals(workers[0], stepsOf(1, 2, 3)); // and leaves them as they are
  assertEquals([sumCounts([stepsOf(1, 2, 3)]), sumCounts([])], [stepsOf(1, 2, 3), []]);
});
