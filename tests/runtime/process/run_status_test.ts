import { assertEquals } from "@std/assert";
import { itemsOf, runStatusOf } from "../../../src/runtime/process/run_status.ts";
import type { WorkerStatus } from "../../../src/runtime/run/worker_port.ts";
import { stepsOf } from "../../support/runtime/step_counts.ts";

function status(overrides: Partial<WorkerStatus> = {}): WorkerStatus {
  return { steps: stepsOf(0, 0, 0), progress: null, waitingFor: [], ...overrides };
}

const progressOf = (...all: WorkerStatus["progress"][]) =>
  runStatusOf(all.map((progress) => status({ progress }))).progress;

Deno.test("itemsOf() counts what inputs gave and outputs got, and no step between", () => {
  assertEquals(itemsOf(stepsOf(3, 4, 5)), { in: 7, out: 15 });
  assertEquals(itemsOf([]), { in: 0, out: 0 });
});

Deno.test("runStatusOf() sums the steps, and keeps apart what each worker has read and written", () => {
  const { steps, workers } = runStatusOf([
    status({ steps: stepsOf(1, 2, 3) }),
    status({ steps: stepsOf(10, 20, 30) }),
  ]);
  assertEquals(steps, stepsOf(11, 22, 33));
  assertEquals(workers, [{ worker: 0, in: 3, out: 9 }, { worker: 1, in: 30, out: 90 }]);
});

Deno.test("runStatusOf() counts nothing for a worker that has not said anything yet", () => {
  const { steps, workers } = runStatusOf([null, status({ steps: stepsOf(1, 2, 3) }), null]);
  assertEquals(steps, stepsOf(1, 2, 3));
  assertEquals(workers, [
    { worker: 0, in: 0, out: 0 },
    { worker: 1, in: 3, out: 9 },
    { worker: 2, in: 0, out: 0 },
  ]);
  const nothing = { steps: [], progress: null, waitingFor: [] };
  assertEquals(runStatusOf([null]), { ...nothing, workers: [{ worker: 0, in: 0, out: 0 }] });
});

Deno.test("runStatusOf() adds up the progress of all workers", () => {
  assertEquals(
    progressOf(
      { done: 1, total: 10, unit: "bytes" },
      { done: 2, total: 20, unit: "bytes" },
      { done: 0, total: 5, unit: "bytes" },
    ),
    { done: 3, total: 35, unit: "bytes" },
  );
});

Deno.test("runStatusOf() tells no progress when that of one worker is unknown, or counts otherwise", () => {
  const bytes = { done: 1, total: 10, unit: "bytes" } as const;
  const items = { done: 1, total: 10, unit: "items" } as const;
  assertEquals(progressOf(bytes, null), null);
  assertEquals(progressOf(null, bytes), null);
  assertEquals(progressOf(bytes, null, bytes), null);
  assertEquals(progressOf(bytes, items), null);
  assertEquals(runStatusOf([status({ progress: bytes }), null]).progress, null);
});

Deno.test("runStatusOf() names once what several workers wait for", () => {
  const { waitingFor } = runStatusOf([
    status({ waitingFor: ["broker"] }),
    null,
    status({ waitingFor: ["disk", "broker"] }),
    status(),
  ]);
  assertEquals(waitingFor, ["broker", "disk"]);
});
