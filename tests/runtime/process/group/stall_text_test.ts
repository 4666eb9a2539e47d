import { assertEquals, assertStringIncludes } from "@std/assert";
import { taskId } from "../../../../src/core/task_id.ts";
import { type Stall, stallText } from "../../../../src/runtime/process/group/stall_text.ts";
import { NO_READINGS } from "../../../../src/runtime/worker_readings.ts";

const [A, B] = [taskId("slow", 0), taskId("slow", 1)];
const STALL: Stall = {
  worker: 1,
  stallMs: 10_000,
  silentMs: 0,
  tasks: new Set([A, B]),
  status: null,
  flow: null,
};

const step = (id: string, stage: number) => ({ id, stage, kind: "map", stateKind: null, from: [] });
const queue = (stage: number, queued: number) => ({
  ...{ stage, queued, busyMs: 0, backpressuredMs: 0, idleMs: 0 },
});

Deno.test("a blocked worker is told from one that waits, with its tasks and the cure", () => {
  assertEquals(
    stallText({ ...STALL, silentMs: 9_400 }),
    "worker 1 got no further for 10 s, with tasks slow_0-1: it has not answered for 9 s, so the " +
      "code of a step does not return. Have the step end sooner, or give a longer --stall-timeout",
  );
  assertStringIncludes(
    stallText(STALL),
    "it still answers, so a step or an output waits for a call that does not end",
  );
});

Deno.test("the text of a stall names the steps at which items wait", () => {
  const readings = { ...NO_READINGS, stages: [queue(0, 0), queue(1, 7)] };
  assertStringIncludes(
    stallText({
      ...STALL,
      status: { readings, tasks: [] },
      flow: { steps: [step("lines", 0), step("slow", 1), step("after", 1)] },
    }),
    'does not end; items wait at step "slow". Have',
  );
});

Deno.test("the text of a stall names the tasks that read their state", () => {
  const restoring = {
    phase: "restoring" as const,
    restored: null,
    lag: 0,
    inputLag: 0,
    in: 0,
    out: 0,
  };
  const status = { readings: NO_READINGS, tasks: [{ task: B, ...restoring }] };
  assertStringIncludes(
    stallText({ ...STALL, status }),
    "it reads the state of slow_1, and gets nothing",
  );
});
