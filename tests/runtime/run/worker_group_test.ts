import { assertEquals } from "@std/assert";
import { WorkerGroup } from "../../../src/runtime/run/worker_group.ts";
import { PlayedWorker } from "../../support/runtime/played_worker.ts";

function groupOf(count: number): WorkerGroup {
  return new WorkerGroup(Array.from({ length: count }, (_, index) => new PlayedWorker(index)));
}

Deno.test("WorkerGroup has reached a phase when its last worker has", () => {
  const group = groupOf(3);
  assertEquals([2, 0, 1].map((index) => group.reaches(index, "opened")), [false, false, true]);
  assertEquals(group.reaches(1, "ended"), false);
});

Deno.test("WorkerGroup has answered when each worker reported what it leaves, or has finished", () => {
  const group = groupOf(2);
  group.leaves(1, []);
  assertEquals(group.haveAnswered, false);
  group.reaches(0, "finished");
  assertEquals(group.haveAnswered, true);
});

Deno.test("WorkerGroup tells what each worker leaves, also of one that does not answer", () => {
  const group = groupOf(3);
  group.reaches(0, "ended");
  group.leaves(1, [{ step: "out", inFlight: 2 }]);
  assertEquals(group.left, [
    { worker: 0, left: [] },
    { worker: 1, left: [{ step: "out", inFlight: 2 }] },
    { worker: 2, left: "it does not answer, as when a step is at work without a pause" },
  ]);
});
