import { assertEquals } from "@std/assert";
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
  assertEquals(monitor.view().epoch, { epoch: 3, at: 100, ms: 0, intervalMs: 1_000 });
  now = 1_100;
  monitor.closes();
  now = 1_130;
  monitor.committed(4);
  assertEquals(monitor.view().epoch, { epoch: 4, at: 1_130, ms: 30, intervalMs: 1_000 });
  note(monitor.restarts());
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
