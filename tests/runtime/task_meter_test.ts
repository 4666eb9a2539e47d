import { assertEquals } from "@std/assert";
import { TaskMeter } from "../../src/runtime/task_meter.ts";

Deno.test("a task is busy in turns that do work and while it waits for its calls", () => {
  const meter = new TaskMeter();
  meter.worked(3, 0);
  assertEquals(meter.read(10), { busyMs: 3, backpressuredMs: 0 });
  meter.rests("calls", 10);
  assertEquals(meter.read(14), { busyMs: 7, backpressuredMs: 0 });
  meter.rests("calls", 15);
  meter.rests(null, 20);
  assertEquals(meter.read(99), { busyMs: 13, backpressuredMs: 0 });
});

Deno.test("a task is backpressured from the round in which it is kept back until one in which it is not", () => {
  const meter = new TaskMeter();
  meter.rests("room", 10);
  meter.rests("room", 20);
  assertEquals(meter.read(25), { busyMs: 0, backpressuredMs: 15 });
  meter.worked(2, 30);
  assertEquals(meter.read(99), { busyMs: 2, backpressuredMs: 20 });
  meter.rests("room", 100);
  meter.rests("calls", 101);
  assertEquals(meter.read(105), { busyMs: 6, backpressuredMs: 21 });
});

Deno.test("turns that were not measured share their time by those that were", () => {
  const meters = [new TaskMeter(), new TaskMeter()];
  meters[0].worked(3, 0);
  meters[1].worked(1, 0);
  meters[0].turned(4);
  meters[1].turned(4);
  meters[0].turned(8);
  assertEquals(meters.map(({ unmeasuredMs }) => unmeasuredMs), [6, 1]);
  for (const meter of meters) meter.settle(2); // it was 14 in all
  assertEquals(meters.map((meter) => meter.read(99).busyMs), [15, 3]);
  for (const meter of meters) meter.settle(2);
  assertEquals(meters.map((meter) => meter.read(99).busyMs), [15, 3]);
});

Deno.test("a turn that was not measured ends a wait", () => {
  const meter = new TaskMeter();
  meter.rests("room", 10);
  meter.turned(25);
  assertEquals(meter.read(99), { busyMs: 0, backpressuredMs: 15 });
});

Deno.test("a meter's times do not shrink where it is read before the round that is noted next", () => {
  const meter = new TaskMeter();
  meter.rests("room", 10);
  assertEquals(meter.read(9), { busyMs: 0, backpressuredMs: 0 });
  meter.worked(1, 9);
  assertEquals(meter.read(10), { busyMs: 1, backpressuredMs: 0 });
});
