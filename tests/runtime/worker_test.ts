import { assertEquals, assertRejects } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  type Progress,
  TestingInputConfig,
  TumblingWindowConfig,
} from "../../mod.ts";
import { encodeValue } from "../../src/core/value_codec.ts";
import { silentLog } from "../../src/core/log.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { Worker, type WorkerStart } from "../../src/runtime/worker.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { eventually } from "../support/eventually.ts";
import { TestClock } from "../support/clock/test_clock.ts";

const START: WorkerStart = {
  epoch: 0,
  plans: {},
  mesh: null,
  positions: [],
  snapshots: null,
  recovery: null,
};

/** An input that has ended and tells this progress, or none. */
function ended(progress?: Progress | null): InputConfig<number> {
  return {
    open: () =>
      Promise.resolve({
        next: () => null,
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
        ...progress === undefined ? {} : { progress: () => progress },
      }),
  };
}

/** A worker, not yet open, with these inputs. */
function workerOf(inputs: InputConfig<number>[]): Worker {
  const flow = new Dataflow("worker");
  inputs.forEach((input, index) =>
    flow.input(`in-${index}`, input).capture(`out-${index}`, new RecordingOutput())
  );
  return workerFor(flow);
}

function workerFor(flow: Dataflow<unknown>, clock = new TestClock()): Worker {
  return new Worker(graphOf(flow), { index: 0, count: 1, clock, log: silentLog }, {
    stateChanged() {},
    acknowledge() {},
    stopRequested() {},
    inputFailed() {},
    gaveUp() {},
  });
}

/** The progress that a worker with these inputs tells once it is open. */
async function progressOf(...inputs: InputConfig<number>[]): Promise<Progress | null> {
  const worker = workerOf(inputs);
  await worker.open(START);
  const progress = worker.progress();
  await worker.close();
  return progress;
}

Deno.test("Worker adds up the progress of its inputs when they count the same", async () => {
  assertEquals(
    await progressOf(
      ended({ done: 1, total: 10, unit: "bytes" }),
      ended({ done: 2, total: 5, unit: "bytes" }),
    ),
    { done: 3, total: 15, unit: "bytes" },
  );
  const items = new TestingInputConfig([1, 2, 3]);
  assertEquals(await progressOf(items), { done: 0, total: 3, unit: "items" });
});

Deno.test("Worker tells no progress when one input has none, or they count differently", async () => {
  const bytes = ended({ done: 1, total: 10, unit: "bytes" });
  assertEquals(await progressOf(bytes, ended()), null);
  assertEquals(await progressOf(ended(null), bytes), null);
  assertEquals(await progressOf(bytes, ended({ done: 1, total: 2, unit: "items" })), null);
});

Deno.test("Worker tells keys, state and open windows of its steps", async () => {
  const keyed = new Dataflow("worker").input("in", new TestingInputConfig([1, 2, 3, 11]))
    .map((n): Keyed<number> => [n < 3 ? "few" : "many", n]);
  keyed.statefulMap("sum", () => 0, (sum, n) => [sum + n, sum + n])
    .capture("sums", new RecordingOutput());
  keyed.countWindow(
    "counts",
    new EventClockConfig({ getTime: (n: number) => n, wait: 100 }),
    new TumblingWindowConfig({ length: 10 }),
  ).capture("out", new RecordingOutput());
  const worker = workerFor(keyed);
  await worker.open({ ...START, snapshots: { firstId: 0, byKey: false } });
  const before = worker.readings();
  assertEquals(before.openWindows, [{ step: "counts", count: 0 }]);
  worker.restore("sum", [{ id: 0, key: "few", state: encodeValue(4) }]);
  assertEquals(worker.readings().state, [
    { step: "sum", keys: 1, bytes: encodeValue(4).length },
    { step: "counts", keys: 0, bytes: 0 },
  ]);
  worker.restore("counts", [
    { id: 0, key: "few", state: encodeValue([9, 0, 10, 2, 10, 20, 1]) },
    { id: 1, key: "many", state: encodeValue([9, 0, 10, 2]) },
  ]);
  assertEquals(worker.readings().openWindows, [{ step: "counts", count: 3 }]);
  await worker.commit(START.epoch - 1); // what it began with
  await worker.run(); // all windows close at the end
  const after = worker.readings();
  assertEquals(after.openWindows, [{ step: "counts", count: 0 }]);
  assertEquals(after.state.map(({ step, keys }) => [step, keys]), [["sum", 2], ["counts", 2]]);
  assertEquals(after.stages.map(({ stage }) => stage), [0, 1, 2, 3]);
  await worker.close();
});

Deno.test("Worker tells how far inputs and event time are behind, by its clock", async () => {
  const clock = new TestClock(1_000_000);
  const batches = [[["a", 980_000], ["a", 990_000]]] as Keyed<number>[][];
  const input: InputConfig<Keyed<number>> = {
    open: () =>
      Promise.resolve({
        next: () => batches.shift() ?? [],
        ready: () => new Promise(() => {}),
        idle: () => false, // it has more, which does not come
        positions: () => new Map(),
        lag: () => new Map([["read", 0], ["behind", 3], ["not begun", 7]]),
        lagAges: () => new Map([["read", 30_000], ["behind", 100]]),
        itemTimes: () => new Map([["read", 900_000], ["behind", 995_000]]),
        close: () => Promise.resolve(),
      }),
  };
  const windows = new Dataflow("worker").input("in", input).countWindow(
    "counts",
    new EventClockConfig({ getTime: (n: number) => n, wait: { hours: 1 } }),
    new TumblingWindowConfig({ length: { hours: 1 } }),
  );
  const worker = workerFor(windows.capture("out", new RecordingOutput()), clock);
  await worker.open(START);
  const running = assertRejects(() => worker.run());
  await eventually(() => worker.readings().eventTimes.at(0)?.time === 990_000, "all is read");
  const behind = () => {
    const { lag, eventTimes: [{ behindMs }] } = worker.readings();
    return [behindMs, ...lag.map(({ partition, items, ms }) => `${partition}: ${items}, ${ms}`)];
  };
  assertEquals(behind(), [10_000, "read: 0, 0", "behind: 3, 5000", "not begun: 7, null"]);
  clock.advance(2_500);
  assertEquals(behind(), [12_500, "read: 0, 0", "behind: 3, 7500", "not begun: 7, null"]);
  assertEquals(worker.readings().lag.map(({ ageMs }) => ageMs), [30_000, 100, null]);
  worker.fail(new Error("enough"));
  await running;
  await worker.close();
});

Deno.test("Worker counts what it has read so far while it runs, and all when it has run", async () => {
  const worker = workerOf([new TestingInputConfig([1, 2, 3])]);
  await worker.open(START);
  assertEquals(worker.counts().map(({ in: into, out }) => [into, out]), [[0, 0], [0, 0]]);
  await worker.run();
  assertEquals(worker.counts().map(({ in: into, out }) => [into, out]), [[0, 3], [3, 0]]);
  await worker.close();
});
