import { assertEquals } from "@std/assert";
import { QuietTime } from "../../../src/runtime/activity/quiet_time.ts";
import { WorkerAlignment } from "../../../src/runtime/time/source_alignment.ts";
import { SourceTimes } from "../../../src/runtime/time/source_times.ts";
import { StepTime } from "../../../src/runtime/time/step_time.ts";

/** A step with sources "a", which is at 10, and "b", of which nothing has come. */
function stepOf(isOwn = true) {
  const times = new SourceTimes({ origins: ["in"], worker: 0, workers: 1, isInOrder: false });
  const stuck: [string, number][] = [];
  const step = new StepTime({
    times,
    origin: null,
    peers: [],
    isOwn: () => isOwn,
    onStuck: (source, ms) => stuck.push([source, ms]),
    alignment: new WorkerAlignment(),
  }, new QuietTime());
  const states = [["a", "behind"], ["b", "behind"]] as const;
  step.onControl({ kind: "tick", origin: "in", number: 1, states });
  const see = (source: string, tick: number, time: number) => {
    step.onControl({ kind: "from", source, origin: "in", tick });
    step.onItems();
    times.event.see(time);
    step.onControl({ kind: "tick", origin: "in", number: tick + 1, states: [] });
  };
  see("a", 1, 10);
  let now = 0;
  /** Lets a time pass in which there is nothing to do. */
  const wait = (ms: number) => {
    for (const end = now + ms; now <= end; now += 1_000) step.onNothing(() => now);
  };
  return { step, see, wait, stuck };
}

Deno.test("a step tells once of the source for which its time has stood still for 10 s", () => {
  const { step, wait, stuck } = stepOf();
  assertEquals(step.untilLook, Infinity);
  wait(9_000);
  assertEquals([stuck, step.untilLook], [[], 1_000]);
  wait(1_000);
  assertEquals(stuck, [["b", 10_000]]);
  wait(60_000);
  assertEquals([stuck.length, step.untilLook], [1, Infinity]);
});

Deno.test("a step tells of a source again once its time has gone on and stands again", () => {
  const { see, wait, stuck } = stepOf();
  wait(12_000);
  see("b", 2, 5);
  wait(8_000);
  assertEquals(stuck.length, 1);
  wait(4_000);
  assertEquals(stuck.map(([source]) => source), ["b", "b"]);
});

Deno.test("a step tells of no source that another worker reads", () => {
  const { wait, stuck } = stepOf(false);
  wait(60_000);
  assertEquals(stuck, []);
});

Deno.test("a step tells of no source while it has something to do", () => {
  const { see, wait, stuck } = stepOf();
  for (let tick = 2; tick < 60; tick++) {
    wait(0);
    see("a", tick, 10 + tick);
  }
  assertEquals(stuck, []);
});
