import { assertEquals } from "@std/assert";
import { StepError } from "../../../src/core/errors.ts";
import { NO_READINGS } from "../../../src/runtime/worker_readings.ts";
import { type MonitoredWorker, RunMonitor } from "../../../src/runtime/process/run_monitor.ts";

const worker = (waitingFor: readonly string[] = []): MonitoredWorker => ({
  status: { steps: [], progress: null, waitingFor },
  memory: null,
  measured: [],
  readings: NO_READINGS,
  unanswered: 0,
});

const ask = () => Promise.resolve({ steps: [], states: [] });

Deno.test("a monitor follows a run from its start to its end", () => {
  let now = 0;
  const monitor = new RunMonitor(1_000, () => now);
  const phases = [monitor.view().phase];
  const note = (did: void) => phases.push(monitor.view().phase) && did;
  note(monitor.begins(() => [worker()], ask));
  monitor.loaded({ name: "flow", steps: [] });
  now = 100;
  note(monitor.runs(4));
  const none = { ms: 0, alignMs: 0, storeMs: 0, bytes: 0, intervalMs: 1_000 };
  assertEquals(monitor.view().epoch, { epoch: 3, at: 100, ...none });
  now = 1_100;
  monitor.closes();
  now = 1_130;
  monitor.committed(4, { ms: 12, bytes: 99 });
  const costs = { ms: 30, alignMs: 18, storeMs: 12, bytes: 99, intervalMs: 1_000 };
  assertEquals(monitor.view().epoch, { epoch: 4, at: 1_130, ...costs });
  note(monitor.restarts(new StepError({ stepId: "sum", worker: 0 }, new Error("bad"))));
  note(monitor.begins(() => [], ask));
  assertEquals([monitor.view().epoch, monitor.view().restarts], [null, 1]);
  note(monitor.runs(5));
  note(monitor.stops());
  note(monitor.ends());
  assertEquals(phases, [
    "starting",
    "starting",
    "running",
    "restarting",
    "starting",
    "running",
    "stopping",
    "over",
  ]);
  assertEquals(monitor.view().flow, "flow");
  monitor.restarts(new Error("a worker has gone")); // of no step
  assertEquals(monitor.view().restarts, 2);
  assertEquals(monitor.view().stepRestarts, [{ step: "sum", count: 1 }]);
});

Deno.test("a run that makes room for new code is neither stopping nor over", () => {
  const monitor = new RunMonitor(1_000, () => 0);
  monitor.begins(() => [], ask);
  monitor.runs(0);
  const phases = [
    () => monitor.reloads(),
    () => monitor.stops(),
    () => monitor.ends(),
    () => monitor.begins(() => [], ask),
    () => monitor.stops(),
    () => monitor.ends(),
  ].map((act) => {
    act();
    return monitor.view().phase;
  });
  assertEquals(phases, ["reloading", "reloading", "reloading", "starting", "stopping", "over"]);
});

Deno.test("a run that waits for new code says so until the next one begins", () => {
  const monitor = new RunMonitor(1_000, () => 0);
  monitor.begins(() => [], ask);
  monitor.fails();
  const waits = () => monitor.view().past.waitsForChange;
  assertEquals(waits(), false);
  monitor.waitsForChange();
  assertEquals(waits(), true);
  monitor.begins(() => [], ask);
  assertEquals(waits(), false);
});

Deno.test("a monitor knows since when something is waited for, on whatever worker", () => {
  let now = 0;
  let workers = [worker(), worker()];
  const monitor = new RunMonitor(1_000, () => now);
  monitor.begins(() => workers, ask);
  const waiting = (at: number, ...each: string[][]) => {
    now = at;
    workers = each.map(worker);
    monitor.onStatus();
    return monitor.view().waiting;
  };
  assertEquals(waiting(1, [], []), null);
  assertEquals(waiting(2, ["broker"], []), { what: ["broker"], since: 2 });
  assertEquals(waiting(3, [], ["broker"]), { what: ["broker"], since: 2 });
  assertEquals(waiting(4, [], []), null);
  assertEquals(waiting(5, ["broker"], ["broker"]), { what: ["broker"], since: 5 });
});

Deno.test("a monitor shows what a worker counted last, though its readings are an older message", () => {
  const monitor = new RunMonitor(1_000, () => 0);
  const counts = (out: number) => [{ stepId: "in", kind: "input", in: 0, out }];
  const last = { steps: counts(15), progress: null, waitingFor: [] };
  const before = { ...NO_READINGS, steps: counts(10), unanswered: 7 };
  monitor.begins(() => [{ ...worker(), status: last, readings: before }], ask);
  const [{ steps, unanswered }] = monitor.view().workers;
  assertEquals([steps, unanswered], [counts(15), 0]);
});

Deno.test("a monitor shows the connections of this run's recovery store, as they are now", () => {
  const monitor = new RunMonitor(1_000, () => 0);
  assertEquals(monitor.view().storeConnections, []);
  let reconnects = 0;
  monitor.begins(() => [], ask, () => [{ to: "store:9092", reconnects, throttledMs: 5 }]);
  reconnects = 2;
  assertEquals(monitor.view().storeConnections, [
    { to: "store:9092", reconnects: 2, throttledMs: 5 },
  ]);
  monitor.begins(() => [], ask);
  assertEquals(monitor.view().storeConnections, []);
});
