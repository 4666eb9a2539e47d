import { assertEquals } from "@std/assert";
import { QuietTime } from "../../../src/runtime/activity/quiet_time.ts";
import type { Control } from "../../../src/runtime/channel.ts";
import type { RemoteSender } from "../../../src/runtime/exchange/mesh.ts";
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

Deno.test("a step tells others of its ticks before it waits, and of eight at most at once", () => {
  const times = new SourceTimes({
    origins: ["in", "other"],
    worker: 0,
    workers: 2,
    isInOrder: true,
  });
  const told: Control[] = [];
  const step = new StepTime({
    times,
    origin: null,
    peers: [{
      worker: 1,
      to: { control: (message: Control) => void told.push(message) } as RemoteSender,
      from: { items: 0, take: () => undefined },
    }],
    isOwn: () => true,
    onStuck: () => {},
    alignment: new WorkerAlignment(),
  }, new QuietTime());
  const tick = (origin: string, number: number) => {
    step.onControl({ kind: "from", source: `a of ${origin}`, origin, tick: number - 1 });
    times.event.see(number);
    step.onControl({ kind: "tick", origin, number, states: [] });
  };
  const numbers = () => told.splice(0).map((message) => message.kind === "report" && message);
  for (let number = 1; number <= 3; number++) tick("in", number);
  tick("other", 1);
  assertEquals(numbers(), []);
  step.tellPeers();
  const closedTo = Infinity;
  const newest = (origin: string, time: number) => [[`a of ${origin}`, time]] as const;
  assertEquals(numbers(), [
    { kind: "report", origin: "in", number: 3, newest: newest("in", 3), closedTo },
    { kind: "report", origin: "other", number: 1, newest: newest("other", 1), closedTo },
  ]);
  step.tellPeers();
  assertEquals(numbers(), []);
  for (let number = 4; number <= 12; number++) tick("in", number);
  assertEquals(numbers(), [
    { kind: "report", origin: "in", number: 11, newest: newest("in", 11), closedTo },
  ]);
});
