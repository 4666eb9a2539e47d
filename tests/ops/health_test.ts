import { assertEquals } from "@std/assert";
import { liveness, readiness, startup } from "../../src/ops/health.ts";
import type { EpochView, RunPhase, RunSource, RunView } from "../../src/ops/run_view.ts";
import type { GroupView } from "../../src/ops/group_view.ts";
import { GROUP, taskOf } from "../support/ops/group.ts";
import { IDLE_WORKER, NO_PAST } from "../support/ops/idle_worker.ts";

const EPOCH: EpochView = {
  epoch: 7,
  at: 0,
  ms: 20,
  alignMs: 15,
  storeMs: 5,
  bytes: 7,
  intervalMs: 20_000,
};

const RUNNING: RunView = {
  phase: "running",
  flow: "flow",
  graph: null,
  restarts: 0,
  stepRestarts: [],
  storeConnections: [],
  workers: [IDLE_WORKER, { ...IDLE_WORKER, unanswered: 1 }],
  epoch: EPOCH,
  waiting: null,
  group: null,
  past: { ...NO_PAST, epochs: [EPOCH] },
};

/** The checks that fail at a time. */
function failing(view: Partial<RunView>, now = 0): string[] {
  const { isOk, checks } = liveness(sourceOf(view, now));
  const failed = checks.filter((check) => !check.isOk);
  assertEquals(isOk, failed.length === 0);
  return failed.map(({ name, found }) => `${name}: ${found}`);
}

function sourceOf(view: Partial<RunView>, now: number): RunSource {
  return {
    view: () => ({ ...RUNNING, ...view }),
    now: () => now,
    ask: () => Promise.reject(new Error("nothing is asked")),
  };
}

Deno.test("a run is healthy while workers answer and epochs are committed", () => {
  assertEquals(failing({}), []);
  assertEquals(failing({ epoch: null }), []);
});

Deno.test("a worker that has not answered for 30 s is told", () => {
  const workers = (unanswered: number) => [
    RUNNING.workers[0],
    { ...RUNNING.workers[1], unanswered },
  ];
  assertEquals(failing({ workers: workers(30) }), []);
  assertEquals(failing({ workers: workers(31) }), ["workers: no answer: worker 1 for 31 s"]);
});

Deno.test("an epoch may take three intervals, and 30 s at least", () => {
  assertEquals(failing({}, 60_000), []);
  assertEquals(failing({}, 60_001), ["epochs: epoch 7 was committed 60 s ago"]);
  const epoch = { epoch: 7, at: 0, ms: 20, alignMs: 15, storeMs: 5, bytes: 7, intervalMs: 100 };
  assertEquals(failing({ epoch }, 30_000), []);
  assertEquals(failing({ epoch }, 31_000), ["epochs: epoch 7 was committed 31 s ago"]);
});

Deno.test("before the first commit, the time since the start is told", () => {
  const epoch = { epoch: -1, at: 0, ms: 0, alignMs: 0, storeMs: 0, bytes: 0, intervalMs: 100 };
  assertEquals(failing({ epoch, past: NO_PAST }, 30_000), []);
  assertEquals(failing({ epoch, past: NO_PAST }, 31_000), [
    "epochs: nothing was committed yet, 31 s after the start",
  ]);
});

Deno.test("a run that resumes does not call the commit of an earlier run its own", () => {
  assertEquals(failing({ past: NO_PAST }, 61_000), [
    "epochs: nothing was committed yet, 61 s after the start; it goes on after epoch 7",
  ]);
});

Deno.test("without the connections, a run is healthy however long its broker is away", () => {
  const away = sourceOf({ waiting: { what: ["broker"], since: 0 } }, 3_600_000);
  assertEquals(liveness(away).isOk, false);
  const { isOk, checks } = liveness(away, ["connections"]);
  assertEquals(isOk, true);
  assertEquals(checks.at(-1), {
    name: "connections",
    isOk: false,
    found: "waiting for broker for 3600 s",
  });
  // What is wrong besides counts.
  const silent = [{ ...IDLE_WORKER, unanswered: 31 }];
  const both = sourceOf({ waiting: { what: ["broker"], since: 0 }, workers: silent }, 3_600_000);
  assertEquals(liveness(both, ["connections"]).isOk, false);
  assertEquals(liveness(sourceOf({}, 3_600_000), ["connections"]).isOk, false); // no commit
});

Deno.test("a broker may be away for a minute", () => {
  const waiting = { what: ["broker"], since: 0 };
  const old = { epoch: 7, at: 0, ms: 20, alignMs: 15, storeMs: 5, bytes: 7, intervalMs: 100 };
  assertEquals(failing({ waiting, epoch: old }, 60_000), []); // its epochs cannot end
  assertEquals(failing({ waiting, epoch: old }, 61_000).length, 2);
  assertEquals(failing({ waiting, epoch: null }, 60_000), []);
  assertEquals(failing({ waiting, epoch: null }, 61_000), [
    "connections: waiting for broker for 61 s",
  ]);
});

Deno.test("before it runs, and between restarts, progress is not asked for", () => {
  const stuck = { waiting: { what: ["broker"], since: 0 } };
  for (const phase of ["starting", "stopping", "restarting", "reloading"] as const) {
    assertEquals(failing({ ...stuck, phase }, 1e9), []);
  }
  assertEquals(failing({ phase: "over" }), ["phase: over"]);
});

Deno.test("what a run waits for at its start is told, and no reason to end it", () => {
  const view = () => ({ ...RUNNING, phase: "starting", waiting: { what: ["broker"], since: 0 } });
  const ask = () => Promise.reject(new Error("nothing is asked"));
  assertEquals(liveness({ view: view as () => RunView, now: () => 90_000, ask }), {
    isOk: true,
    checks: [
      { name: "phase", isOk: true, found: "starting" },
      { name: "connections", isOk: true, found: "waiting for broker for 90 s" },
    ],
  });
});

Deno.test("a run has started once it is past its start, and is ready while it runs", () => {
  const past: RunPhase[] = ["running", "stopping", "restarting", "reloading", "over"];
  const phases: RunPhase[] = ["starting", ...past];
  const is = (probe: typeof startup) => phases.filter((phase) => probe({ ...RUNNING, phase }).isOk);
  assertEquals(is(startup), past);
  const ready = phases.filter((phase) => readiness(sourceOf({ phase }, 0)).isOk);
  assertEquals(ready, ["running"]);
});

Deno.test("a machine of a group is ready when all of its tasks run", () => {
  const found = (change: Partial<GroupView>, now = 0) => {
    const { isOk, checks } = readiness(sourceOf({ group: { ...GROUP, ...change } }, now));
    return [isOk, checks.at(-1)!.found];
  };
  assertEquals(found({ tasks: [taskOf("keyed_0"), taskOf("keyed_1")] }), [true, "2 running"]);
  const restored = { done: 41, total: 100 };
  const restoring = taskOf("keyed_2", { state: "restoring", restored });
  assertEquals(
    found({ tasks: [taskOf("keyed_0"), restoring, taskOf("a_0", { state: "waiting" })] }),
    [
      false,
      "1 running, 1 restoring 41 %, 1 waiting",
    ],
  );
  assertEquals(found({ tasks: [taskOf("keyed_0", { state: "revoking" })] }), [
    false,
    "0 running, 1 being given up",
  ]);
});

Deno.test("a machine without tasks is ready once the group has had the time to assign some", () => {
  const found = (idleSince: number | null, now: number) => {
    const group = { ...GROUP, tasks: [], idleSince };
    const { isOk, checks } = readiness(sourceOf({ group }, now));
    return [isOk, checks.at(-1)!.found];
  };
  assertEquals(found(null, 90_000), [false, "none yet"]);
  assertEquals(found(1_000, 10_999), [false, "none yet"]);
  assertEquals(found(1_000, 11_000), [true, "none: other machines have them all"]);
});

Deno.test("a machine of a group is unhealthy if one of its workers ends no epoch", () => {
  assertEquals(failing({ group: GROUP }, 60_000), []);
  assertEquals(failing({ group: GROUP }, 60_001), [
    "epochs: an epoch ended 60 s ago, the last commit was that of epoch 7",
  ]);
});

Deno.test("liveness of a single worker does not speak of all", () => {
  const found = (workers: RunView["workers"]) =>
    liveness(sourceOf({ workers }, 0)).checks.find(({ name }) => name === "workers")?.found;
  assertEquals(found([IDLE_WORKER]), "the worker answers");
  assertEquals(found([IDLE_WORKER, IDLE_WORKER]), "all 2 answer");
});
