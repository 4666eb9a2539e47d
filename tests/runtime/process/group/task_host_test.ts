import { assert, assertEquals, assertObjectMatch, assertRejects } from "@std/assert";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { StepError } from "../../../../src/core/errors.ts";
import {
  FencedError,
  LateCommitError,
  LogFailedError,
  UnrestorableError,
} from "../../../../src/group/log.ts";
import type { FromTaskWorker } from "../../../../src/runtime/process/group/messages.ts";
import { NO_READINGS } from "../../../../src/runtime/worker_readings.ts";
import { JumpingClock } from "../../../support/clock/jumping_clock.ts";
import { TaskHost } from "../../../../src/runtime/process/group/task_host.ts";

const A = taskId("keyed", 0);
const STATUS = {
  task: A,
  phase: "running",
  restored: null,
  lag: 3,
  inputLag: 0,
  in: 7,
  out: 2,
} as const;
const STEPS = [{ stepId: "in", kind: "input", in: 0, out: 7 }];
const MEASURED = {
  kind: "gauge",
  name: "newest",
  step: "in",
  help: "",
  labels: [],
  buckets: [],
  series: [{ labels: [], value: 4, counts: [] }],
} as const;
const FLOW = { name: "flow", steps: [] };

/** A host, what it says, and tasks that do as a test says. */
function hosted() {
  const said: FromTaskWorker[] = [];
  const over = Promise.withResolvers<void>();
  const revoked = Promise.withResolvers<void>();
  const assigned: TaskId[] = [];
  const standbys: TaskId[][] = [];
  const left: string[] = [];
  const clock = new JumpingClock();
  const host = new TaskHost({
    send: (message) => said.push(message),
    leave: () => left.push("left"),
    clock,
    memory: () => ({ rss: 2, heapUsed: 1 }),
  });
  const stopped = Promise.withResolvers<void>();
  host.loaded({
    assign: (tasks) => {
      for (const task of tasks) {
        if (assigned.includes(task)) throw new TypeError(`task ${task} has been assigned already`);
        assigned.push(task);
      }
    },
    revoke: () => revoked.promise,
    keepStandbys: (tasks) => standbys.push([...tasks]),
    stop: () => stopped.promise,
    over: over.promise,
    tasks: [STATUS],
    standbys: [{ task: A, lag: 3, hasFailed: false }],
    stored: new Map([[A, 8]]),
    waitingFor: () => ["broker"],
    counts: () => STEPS,
    readings: () => new Map([[A, NO_READINGS]]),
    measured: () => [MEASURED],
    stateNow: (question) => ({ steps: [{ step: question.kind, keys: 2 }], states: [] }),
  }, FLOW);
  assertEquals(said.splice(0), [{ kind: "loaded", flow: FLOW }]);
  return { host, clock, said, over, revoked, stopped, assigned, standbys, left };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

Deno.test("tasks are given up once the last commit is done", async () => {
  const { host, said, revoked, assigned } = hosted();
  host.take({ kind: "assign", tasks: [A] });
  assertEquals(assigned, [A]);
  host.take({ kind: "revoke", tasks: [A] });
  await settled();
  assertEquals(said, []);
  revoked.resolve();
  await settled();
  assertEquals(said, [{ kind: "gaveUp", tasks: [A] }]);
});

Deno.test("copies are kept of the tasks that the supervisor says", () => {
  const { host, said, standbys } = hosted();
  host.take({ kind: "standbys", tasks: [A] });
  host.take({ kind: "standbys", tasks: [] });
  assertEquals(standbys, [[A], []]);
  assertEquals(said, []);
});

Deno.test("a commit that fails while a task is revoked is told once, and nothing is given up", async () => {
  const { host, said, over, revoked } = hosted();
  host.take({ kind: "revoke", tasks: [A] });
  const error = new FencedError("others have them");
  over.reject(error);
  revoked.reject(error);
  await settled();
  assertEquals(said.map(({ kind }) => kind), ["failed"]);
  assert(said[0].kind === "failed" && said[0].isFenced);
  host.tellStatus();
  assertEquals(said.length, 1);
});

Deno.test("what is stored and of no use is told as lasting, and nothing else is", async () => {
  for (const error of [new UnrestorableError("damaged"), new Error("no broker")]) {
    const { said, over } = hosted();
    over.reject(error);
    await settled();
    const isLasting = error instanceof UnrestorableError;
    assertObjectMatch(said[0], { kind: "failed", isFenced: false, isLasting });
  }
});

Deno.test("a step that has failed with its log is not to blame", async () => {
  const fenced = new FencedError("others have them");
  const failures: [Error, object][] = [
    [fenced, {
      isFenced: true,
      isLate: false,
      failure: { step: null, error: { name: "FencedError" } },
    }],
    [new LateCommitError("20 s"), {
      isFenced: true,
      isLate: true,
      failure: { step: null, error: { name: "LateCommitError" } },
    }],
    [new Error("no broker"), {
      isFenced: false,
      failure: { step: null, error: { name: "Error" } },
    }],
  ];
  for (const [cause, told] of failures) {
    const { said, over } = hosted();
    const failed = new LogFailedError("nothing more can be committed", { cause });
    over.reject(new StepError({ stepId: "out", worker: 0 }, failed));
    await settled();
    assertObjectMatch(said[0], { kind: "failed", ...told });
  }
  const { said, over } = hosted();
  over.reject(new StepError({ stepId: "out", worker: 0 }, fenced)); // it is the step's own
  await settled();
  assertObjectMatch(said[0], { kind: "failed", failure: { step: { stepId: "out" } } });
});

Deno.test("identities are matched with their requests, and done once", async () => {
  const { host, said } = hosted();
  const [first, second] = [host.identity(), host.identity()];
  assertEquals(said.splice(0), [
    { kind: "identityWanted", number: 0 },
    { kind: "identityWanted", number: 1 },
  ]);
  host.take({ kind: "identityRefused", number: 1, reason: "fenced" });
  host.take({ kind: "identity", number: 0, memberId: "m", epoch: 2, instanceId: null });
  await assertRejects(() => second, FencedError, "fenced");
  const identity = await first;
  assertEquals([identity.memberId, identity.epoch, identity.instanceId], ["m", 2, null]);
  identity[Symbol.dispose]();
  identity[Symbol.dispose]();
  assertEquals(said, [{ kind: "identityDone", number: 0 }]);
});

Deno.test("a question about state is answered by the tasks", () => {
  const { host, said } = hosted();
  host.take({ kind: "ask", number: 5, question: { kind: "steps" } });
  const answer = { steps: [{ step: "steps", keys: 2 }], states: [] };
  assertEquals(said, [{ kind: "told", number: 5, answer }]);
});

Deno.test("what the tasks refuse is told, and the host does not throw", async () => {
  const { host, said, left } = hosted();
  host.take({ kind: "assign", tasks: [A] });
  assertEquals(left, []);
  host.take({ kind: "assign", tasks: [A] });
  await settled();
  assertEquals(left, ["left"]);
  assertEquals(said.map(({ kind }) => kind), ["failed"]);
});

Deno.test("the status tells what the tasks have done, and how long ago they got further", () => {
  const { host, said, clock } = hosted();
  const told = () => {
    host.tellStatus();
    const [message] = said.splice(0);
    if (message.kind !== "status") throw new Error(message.kind);
    const { commit, progressAgeMs, steps, tasks, standbys, readings, memory, measured } = message;
    return { commit, progressAgeMs, steps, tasks, standbys, readings, memory, measured };
  };
  const fixed = {
    steps: STEPS,
    tasks: [STATUS],
    standbys: [{ task: A, lag: 3, hasFailed: false }],
    readings: NO_READINGS,
    measured: [MEASURED],
    memory: { rss: 2, heapUsed: 1 },
  };
  assertEquals(told(), { ...fixed, commit: null, progressAgeMs: null });
  host.observer.started?.(A);
  clock.at += 10;
  assertEquals(told(), { ...fixed, commit: null, progressAgeMs: 10 });
  host.observer.closing?.(0);
  clock.at += 50;
  host.observer.committed?.(0, 30, 123);
  clock.at += 5;
  const commit = { epoch: 0, ageMs: 5, ms: 50, logMs: 30, bytes: 123 };
  assertEquals(told(), { ...fixed, commit, progressAgeMs: 5 });
  clock.at += 1_000;
  host.observer.closing?.(1);
  host.observer.ended?.(1); // nothing happened in it
  clock.at += 20;
  assertEquals(told(), { ...fixed, commit: { ...commit, ageMs: 1_025 }, progressAgeMs: 20 });
});

Deno.test("a stop is over after the last commit; the status tells the epoch", async () => {
  const { host, said, stopped } = hosted();
  host.observer.closing?.(5);
  host.tellStatus();
  host.take({ kind: "stop" });
  await settled();
  assertEquals(said.map(({ kind }) => kind), ["status"]);
  assertObjectMatch(said[0], {
    epoch: 5,
    tasks: [{ task: A, lag: 3 }],
    waitingFor: ["broker"],
  });
  stopped.resolve();
  await settled();
  assertEquals(said.at(-1), { kind: "stopped" });
});
