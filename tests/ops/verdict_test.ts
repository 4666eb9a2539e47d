import { assertEquals, assertStringIncludes } from "@std/assert";
import { readingsOf } from "../../src/ops/readings.ts";
import type { RunError, RunView, WorkerView } from "../../src/ops/run_view.ts";
import type { Verdict } from "../../src/ops/status.ts";
import { type Findings, verdictOf } from "../../src/ops/verdict.ts";
import { GROUP, taskOf } from "../support/ops/group.ts";
import { NO_PAST } from "../support/ops/idle_worker.ts";
import { MadeUpRun } from "../support/ops/made_up_run.ts";

/** Two stages: one that reads, and one that counts. */
const PLAN = (reading: [number, number], counting: [number, number]) => ({
  workers: 2,
  rate: 1_000,
  stages: [
    { steps: ["input:in", "map:parse"], from: [], busy: reading[0], backpressured: reading[1] },
    { steps: ["keyOn:key", "stateful:count", "capture:out"], from: [0], busy: counting[0] },
  ],
});

interface Situation extends Partial<Omit<Findings, "view">> {
  readonly view?: Partial<RunView>;
  /** Shares of the time that are busy and backpressured. */
  readonly reading?: [number, number];
  readonly counting?: [number, number];
  readonly worker?: (worker: WorkerView, index: number) => WorkerView;
}

/** The sentence of a run, with the names of steps in stars. */
function sentence(situation: Situation = {}): [Verdict["tone"], string] {
  const { view, reading = [0.2, 0], counting = [0.1, 0], worker, ...others } = situation;
  const run = new MadeUpRun(PLAN(reading, counting));
  if (worker !== undefined) run.changeWorker = worker;
  const first = { at: 0, view: run.view() };
  run.pass(5_000);
  const last = { at: 5_000, view: run.view() };
  const { tone, parts } = verdictOf({
    view: { ...last.view, ...view },
    now: 5_000,
    readings: readingsOf(first, last),
    lag: null,
    lagTrend: null,
    behindMs: null,
    quietSeconds: 0,
    ...others,
  });
  return [tone, parts.map((part) => typeof part === "string" ? part : `*${part.step}*`).join("")];
}

const EPOCH = { epoch: 3, at: 0, ms: 20, alignMs: 15, storeMs: 5, bytes: 0 };

const ERROR: RunError = {
  at: 0,
  message: "TypeError: no price",
  step: "parse",
  worker: 1,
  item: "{}",
  origin: null,
};

Deno.test("a run that is loaded, started or stopped says so", () => {
  assertEquals(sentence({ view: { phase: "starting", graph: null } }), [
    "neutral",
    "The flow is being loaded.",
  ]);
  assertEquals(sentence({ view: { phase: "starting" } }), [
    "neutral",
    "The run is being started: state is restored, inputs and outputs open.",
  ]);
  assertEquals(sentence({ view: { phase: "stopping" } }), [
    "neutral",
    "The run is being stopped: its last epoch is on its way.",
  ]);
});

Deno.test("a run that waits at its start says for what, and for how long", () => {
  const starts = (since: number) =>
    sentence({ view: { phase: "starting", waiting: { what: ["broker"], since } } });
  assertEquals(starts(2_001)[0], "neutral");
  assertEquals(starts(2_000), [
    "warning",
    "The run is being started, and waits for broker for 3 s.",
  ]);
});

Deno.test("a run that is over and waits for new code says so", () => {
  const over = (past: Partial<RunView["past"]>) =>
    sentence({ view: { phase: "over", past: { ...NO_PAST, ...past, waitsForChange: true } } })[1];
  const next = "It goes on when the code of the flow changes.";
  const refused = { ...ERROR, step: null, message: "SyntaxError: no\n  | ~" };
  assertEquals(
    over({ outcome: "failed", errors: [refused] }),
    `The run has failed: SyntaxError: no. The run has ended. ${next}`,
  );
  assertStringIncludes(over({ outcome: "finished" }), next);
});

Deno.test("a run that is over says how it ended", () => {
  const over = (past: Partial<RunView["past"]>) =>
    sentence({ view: { phase: "over", past: { ...NO_PAST, ...past } } });
  assertEquals(over({ outcome: "finished" }), [
    "good",
    "The flow has finished: its inputs have ended, and all is written.",
  ]);
  assertEquals(over({ outcome: "stopped" }), [
    "neutral",
    "The run was stopped, and all up to there is written.",
  ]);
  assertEquals(over({ outcome: "failed", errors: [ERROR] }), [
    "bad",
    "*parse* has failed on worker 1: TypeError: no price. The run has ended.",
  ]);
  const error = { ...ERROR, step: null, message: "Error: worker 0 ended by SIGKILL." };
  assertEquals(over({ outcome: "failed", errors: [ERROR, error] }), [
    "bad",
    "The run has failed: Error: worker 0 ended by SIGKILL. The run has ended.",
  ]);
  assertEquals(over({ outcome: "failed" }), ["bad", "The run has failed. The run has ended."]);
});

Deno.test("a run that makes room for new code says so", () => {
  assertEquals(sentence({ view: { phase: "reloading" } }), [
    "neutral",
    "The code has changed: the run makes room for one of the new code.",
  ]);
});

Deno.test("a run that has failed and is started again says why", () => {
  assertEquals(
    sentence({ view: { phase: "restarting", past: { ...NO_PAST, errors: [ERROR] } } }),
    [
      "bad",
      "*parse* has failed on worker 1: TypeError: no price. The run is started again after a pause.",
    ],
  );
});

Deno.test("a worker that does not answer is named after more than five seconds", () => {
  const silent = (unanswered: number) =>
    sentence({
      worker: (worker, index) => index === 1 ? { ...worker, unanswered } : worker,
    });
  assertEquals(silent(5)[0], "good");
  assertEquals(silent(6), [
    "warning",
    "Worker 1 has not answered for 6 s: it is at work on one item, or hangs.",
  ]);
});

Deno.test("what is waited for is named after three seconds", () => {
  const waits = (since: number) =>
    sentence({ view: { waiting: { what: ["broker", "coordinator"], since } } });
  assertEquals(waits(2_001)[0], "good");
  assertEquals(waits(2_000), [
    "warning",
    "Waiting for broker and coordinator for 3 s; the run goes on by itself afterwards.",
  ]);
});

Deno.test("a commit that is overdue is told as /healthz tells it", () => {
  const at = (now: number) => sentence({ view: { epoch: { ...EPOCH, intervalMs: 20_000 } }, now });
  assertEquals(at(60_000)[0], "good");
  assertEquals(at(60_001), [
    "bad",
    "Nothing was committed for 60 s: the log says what holds up the epoch.",
  ]);
});

Deno.test("a stage that is busy while others wait for it is the bottleneck", () => {
  assertEquals(sentence({ reading: [0.1, 0.6], counting: [0.9, 0] }), [
    "busy",
    "*count* is the bottleneck: busy 90 % of the time; 2 steps wait for it.",
  ]);
  assertEquals(sentence({ reading: [0.1, 0.6], counting: [0.9, 0], lag: 5_000, lagTrend: 100 }), [
    "busy",
    "*count* is the bottleneck: busy 90 % of the time; 2 steps wait for it. " +
    "There are 5.00 k items to read, and more each second.",
  ]);
  const onOne = sentence({
    reading: [0.1, 0.6],
    counting: [0.9, 0],
    worker: (worker, index) =>
      index === 1 ? worker : {
        ...worker,
        stages: worker.stages.map((each) =>
          each.stage === 0 ? each : { ...each, busyMs: 0, idleMs: each.busyMs + each.idleMs }
        ),
      },
  });
  assertEquals(onOne, [
    "busy",
    "*count* is the bottleneck: busy 90 % of the time on worker 1; 2 steps wait for it.",
  ]);
});

Deno.test("a stage for which nothing waits, or that waits itself, is not a bottleneck", () => {
  assertEquals(
    sentence({ reading: [0.04, 0.1], counting: [0.9, 0] })[1].slice(0, 14),
    "At full speed:",
  );
  assertEquals(
    sentence({ reading: [0.9, 0.1], counting: [0.05, 0] })[1].slice(0, 14),
    "At full speed:",
  );
});

Deno.test("workers that are at their limit name the stage with most of the work", () => {
  assertEquals(sentence({ reading: [0.5, 0], counting: [0.42, 0] }), [
    "busy",
    "At full speed: all workers are busy 92 % of the time, most of it in *in* or the step that runs in one loop with it.",
  ]);
  assertEquals(
    sentence({
      reading: [0.5, 0],
      counting: [0.42, 0],
      worker: (worker, index) =>
        index === 1 ? worker : {
          ...worker,
          stages: worker.stages.map((each) => ({ ...each, busyMs: 0, idleMs: 5_000 })),
        },
    }),
    [
      "busy",
      "At full speed: worker 1 is busy 92 % of the time, " +
      "most of it in *in* or the step that runs in one loop with it.",
    ],
  );
});

Deno.test("a lag that grows or shrinks is told, once it is more than five seconds' items", () => {
  const lag = (lag: number, lagTrend: number, counting: [number, number] = [0.1, 0]) =>
    sentence({ lag, lagTrend, counting });
  assertEquals(lag(10_000, 500)[0], "good"); // 2,000 items a second are read
  assertEquals(lag(20_000, 500), [
    "warning",
    "The lag grows: 20.0 k items to read, 500 more each second.",
  ]);
  assertEquals(lag(20_000, 500, [0.7, 0]), [
    "warning",
    "The lag grows: 20.0 k items to read, 500 more each second. " +
    "Worker 0 is busy 90 % of the time.",
  ]);
  assertEquals(lag(20_000, -500), [
    "good",
    "Catching up: 20.0 k items to read, done in about 40 s.",
  ]);
  assertEquals(lag(20_000, 40)[1], "Keeping up: 2.00 k items a second, 20.0 k items to read.");
});

Deno.test("inputs that have read nothing for half a minute are quiet", () => {
  assertEquals(sentence({ quietSeconds: 29 })[0], "good");
  assertEquals(sentence({ quietSeconds: 30 }), [
    "neutral",
    "Nothing to do: no input has read an item in the last 30 s.",
  ]);
  assertEquals(sentence({ quietSeconds: 60 }), [
    "neutral",
    "Nothing to do: no input has read an item in the last minute.",
  ]);
});

Deno.test("a run that keeps up says how far event time or its inputs are", () => {
  assertEquals(sentence(), ["good", "Running: 2.00 k items a second, and nothing waits."]);
  assertEquals(sentence({ lag: 1 }), [
    "good",
    "Keeping up: 2.00 k items a second, 1 item to read.",
  ]);
  assertEquals(sentence({ lag: 0, behindMs: 2_000 }), [
    "good",
    "Keeping up: 2.00 k items a second; event time lags by 2 s.",
  ]);
  assertEquals(sentence({ lag: 0, behindMs: 999 }), [
    "good",
    "Keeping up: 2.00 k items a second, 0 items to read.",
  ]);
});

Deno.test("a group that does not run tasks is told, and tasks that are restored", () => {
  const status = 'group "orders.1" waits for topics that it reads: create them';
  assertEquals(sentence({ view: { group: { ...GROUP, status } } }), [
    "warning",
    'Group "orders.1" waits for topics that it reads: create them.',
  ]);
  assertEquals(sentence({ view: { group: GROUP } }), [
    "busy",
    "1 task of 3 has yet to read the state, 25 %; the others go on meanwhile.",
  ]);
  const restoring = ["a_0", "a_3"].map((name) => taskOf(name, { state: "restoring" }));
  const tasks = [...restoring, taskOf("a_1"), taskOf("a_2")];
  const [, text] = sentence({ view: { group: { ...GROUP, tasks } } });
  assertEquals(text, "2 tasks of 4 have yet to read the state; the others go on meanwhile.");
  assertEquals(sentence({ view: { group: { ...GROUP, tasks: [taskOf("a_0")] } } })[0], "good");
});
