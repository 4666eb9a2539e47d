import { assertEquals, assertRejects } from "@std/assert";
import { StepError } from "millrace";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import type { TaskWorkerStatus } from "../../../../src/runtime/process/group/messages.ts";
import { NodeMonitor } from "../../../../src/runtime/process/group/node_monitor.ts";
import type { SeatReading } from "../../../../src/runtime/process/group/task_seat.ts";
import { NO_READINGS } from "../../../../src/runtime/worker_readings.ts";

const [A, B, C] = [taskId("keyed", 2), taskId("keyed", 10), taskId("in", 0)];
const FLOW = { name: "flow", steps: [] };

/** A worker that runs A. */
function reading(more: Partial<SeatReading> = {}): SeatReading {
  return {
    memberId: "m-0",
    isRunning: true,
    owned: new Set([A]),
    revoked: new Set(),
    status: statusOf(),
    statusAt: 1_000,
    heardAt: 1_000,
    flow: FLOW,
    groupStatus: null,
    copies: new Set(),
    restarts: 0,
    moves: { assigned: 1, givenUp: 0, lost: 0 },
    ...more,
  };
}

function statusOf(more: Partial<TaskWorkerStatus> = {}): TaskWorkerStatus {
  return {
    epoch: 3,
    tasks: [running(A)],
    standbys: [],
    stored: [],
    waitingFor: [],
    steps: [{ stepId: "in", kind: "input", in: 0, out: 7 }],
    readings: NO_READINGS,
    measured: [],
    memory: { rss: 2, heapUsed: 1 },
    commit: null,
    progressAgeMs: 100,
    ...more,
  };
}

function running(task: TaskId) {
  const phase = "running" as const;
  return { task, phase, restored: null, lag: 3, inputLag: 4, in: 7, out: 2 };
}

Deno.test("a machine that is to stop says so once", () => {
  const stops: string[] = [];
  const monitor: NodeMonitor = new NodeMonitor({
    ...{ app: "orders", intervalMs: 500, now: () => 0 },
    onStops: () => stops.push(monitor.view().phase),
  });
  monitor.stops();
  monitor.stops();
  assertEquals(stops, ["stopping"]);
});

/** A monitor of these workers, at a time. */
function monitorOf(...readings: SeatReading[]) {
  const time = { now: 1_200 };
  const monitor = new NodeMonitor({ app: "orders", intervalMs: 500, now: () => time.now });
  const ask = (worker: number) =>
    Promise.resolve({ steps: [{ step: "s", keys: worker }], states: [] });
  monitor.joins({ groupId: "orders.1", protocol: "streams" }, { readings, ask });
  return { monitor, readings, time };
}

Deno.test("a machine starts until one of its workers has loaded the flow", () => {
  const monitor = new NodeMonitor({ app: "orders", intervalMs: 500, now: () => 0 });
  const { phase, flow, graph, workers, epoch, group } = monitor.view();
  assertEquals({ phase, flow, graph, workers, epoch }, {
    phase: "starting",
    flow: null,
    graph: null,
    workers: [],
    epoch: null,
  });
  assertEquals([group?.app, group?.groupId, group?.tasks], ["orders", null, []]);
  const loading = { isRunning: false, status: null, flow: null, owned: new Set<TaskId>() };
  const phaseOf = (...readings: SeatReading[]) => monitorOf(...readings).monitor.view().phase;
  assertEquals(phaseOf(reading(loading)), "starting");
  assertEquals(phaseOf(reading(loading), reading()), "running");
  assertEquals(phaseOf(reading({ isRunning: false, restarts: 1 })), "restarting");
});

Deno.test("copies are those that processes have now", () => {
  const standbys = [{ task: B, lag: 3, hasFailed: false }, { task: C, lag: null, hasFailed: true }];
  const status = statusOf({ standbys });
  const { monitor } = monitorOf(reading({ status: null }), reading({ status }));
  assertEquals(monitor.view().group!.standbys, standbys.map((each) => ({ ...each, worker: 1 })));
  const ended = monitorOf(reading({ status, isRunning: false }));
  assertEquals(ended.monitor.view().group!.standbys, []);
});

Deno.test("tasks are those that the group has assigned, with what their process says", () => {
  const restored = { done: 3, total: 9 };
  const { monitor } = monitorOf(
    reading({
      owned: new Set([B, A, C]),
      revoked: new Set([C]),
      status: statusOf({
        tasks: [{ ...running(A), phase: "restoring", restored }, running(C)],
      }),
    }),
    // What it said last is of a process that has ended.
    reading({ isRunning: false, owned: new Set([taskId("keyed", 1)]) }),
  );
  const shown = monitor.view().group!.tasks.map(({ task, worker, state, restored, shuffleLag }) => [
    task as string,
    worker,
    state,
    restored,
    shuffleLag,
  ]);
  assertEquals(shown, [
    ["in_0", 0, "revoking", null, 3],
    ["keyed_1", 1, "waiting", null, 0],
    ["keyed_2", 0, "restoring", restored, 3],
    ["keyed_10", 0, "waiting", null, 0],
  ]);
  assertEquals(monitor.status().tasks, monitor.view().group!.tasks);
  assertEquals(monitor.status().workers, [
    { worker: 0, in: 7, out: 0 },
    { worker: 1, in: 7, out: 0 },
  ]);
});

Deno.test("the last epoch is that of the worker that got no further for the longest time", () => {
  const commit = { epoch: 8, ageMs: 40, ms: 10, logMs: 4, bytes: 99 };
  const slow = reading({ status: statusOf({ commit, progressAgeMs: 700 }), statusAt: 900 });
  const { monitor, time } = monitorOf(
    reading(),
    slow,
    reading({ status: statusOf({ progressAgeMs: 9_000, tasks: [] }) }), // which has nothing to do
    reading({ status: statusOf({ progressAgeMs: 9_000 }), isRunning: false }),
  );
  assertEquals(monitor.view().epoch, {
    epoch: 8,
    at: 200,
    ms: 10,
    alignMs: 6,
    storeMs: 4,
    bytes: 99,
    intervalMs: 500,
  });
  assertEquals(monitor.view().group!.members[1].commit, { epoch: 8, at: 860, ms: 10 });
  time.now = 3_500;
  const silent = monitor.view().workers.map(({ unanswered }) => unanswered);
  assertEquals(silent, [2, 2, 2, 0]); // the last one is not there
});

Deno.test("each commit of each worker is one of the last epochs", () => {
  const { monitor, readings } = monitorOf(reading(), reading());
  const says = (worker: number, statusAt: number, epoch: number, ageMs: number) => {
    const commit = { epoch, ageMs, ms: 10, logMs: 4, bytes: 0 };
    readings[worker] = reading({ status: statusOf({ commit }), statusAt });
    monitor.onStatus();
  };
  says(0, 1_000, 0, 20);
  says(0, 1_250, 0, 270);
  says(0, 1_500, 0, 523); // the same, with a message that took longer
  says(1, 1_500, 0, 100);
  says(0, 1_510, 1, 10);
  says(1, 3_000, 0, 10); // by a process that was started again
  const { epochs } = monitor.view().past;
  assertEquals(epochs.map(({ epoch, at }) => [epoch, at]), [
    [0, 980],
    [0, 1_400],
    [1, 1_500],
    [0, 2_990],
  ]);
});

Deno.test("what workers wait for, and since when the machine has no task, is kept", () => {
  const { monitor, readings, time } = monitorOf(reading());
  monitor.onStatus();
  assertEquals([monitor.view().waiting, monitor.view().group!.idleSince], [null, null]);
  readings[0] = reading({ owned: new Set(), status: statusOf({ waitingFor: ["broker"] }) });
  monitor.onStatus();
  time.now += 5_000;
  monitor.onStatus();
  assertEquals(monitor.view().waiting, { what: ["broker"], since: 1_200 });
  assertEquals(monitor.view().group!.idleSince, 1_200);
  readings[0] = reading({ groupStatus: "waits for topics" });
  monitor.onStatus();
  assertEquals([monitor.view().waiting, monitor.view().group!.idleSince], [null, null]);
  assertEquals(monitor.view().group!.status, "waits for topics");
});

Deno.test("a question is passed on to the worker, once there is one", async () => {
  const early = new NodeMonitor({ app: "orders", intervalMs: 500, now: () => 0 });
  await assertRejects(() => early.ask(0, { kind: "steps" }), Error, "does not run yet");
  const { monitor } = monitorOf(reading(), reading());
  assertEquals((await monitor.ask(1, { kind: "steps" })).steps, [{ step: "s", keys: 1 }]);
});

Deno.test("a machine that has stopped, or failed, says so", () => {
  const { monitor } = monitorOf(reading());
  monitor.stops();
  assertEquals(monitor.view().phase, "stopping");
  monitor.ends();
  assertEquals([monitor.view().phase, monitor.view().past.outcome], ["over", "stopped"]);
  const failed = monitorOf(reading({ restarts: 2 })).monitor;
  failed.fails(new StepError({ stepId: "count", worker: 0 }, new Error("broken")));
  const { phase, past, restarts, stepRestarts } = failed.view();
  assertEquals([phase, past.outcome, restarts], ["over", "failed", 2]);
  assertEquals(past.errors.map(({ step, message }) => [step, message]), [[
    "count",
    "Error: broken",
  ]]);
  assertEquals(stepRestarts, []); // nothing was started again because of it
});
