import { assertAlmostEquals, assertEquals } from "@std/assert";
import { StatusFeed } from "../../src/ops/status_feed.ts";
import { GROUP, taskOf } from "../support/ops/group.ts";
import { NO_PAST } from "../support/ops/idle_worker.ts";
import { MadeUpRun, SIXTY_STEPS } from "../support/ops/made_up_run.ts";

const BEGUN = Date.UTC(2026, 0, 1);

/** Looks at a run whose time a test moves. */
function feedOf(plan = {}) {
  const run = new MadeUpRun({
    workers: 2,
    rate: 1_000,
    stages: [
      { steps: ["input:in", "window:totals"], from: [], busy: 0.5 },
      { steps: ["capture:out"], from: [0], busy: 0.1 },
    ],
    ...plan,
  });
  const feed = new StatusFeed(run, () => BEGUN + run.now());
  const seconds = (count: number) => {
    for (let i = 0; i < count; i++) {
      run.pass(1_000);
      feed.tick();
    }
  };
  return { run, feed, seconds, [Symbol.dispose]: () => feed[Symbol.dispose]() };
}

Deno.test("rates are of the last five seconds, over all workers", () => {
  using it = feedOf();
  assertEquals([it.feed.status.point.in, it.feed.status.graph], [0, 1]);
  it.seconds(8);
  const { point, totals, steps, stages, workers } = it.feed.status;
  assertEquals([point.at, point.in, point.out], [BEGUN + 8_000, 2_000, 2_000]);
  assertEquals(totals, { in: 16_000, out: 16_000, late: 0 });
  assertEquals(steps, {
    in: [0, 2_000, 2_000],
    out: [2_000, 2_000, 2_000],
    late: [0, 0, 0],
    keys: [null, null, null],
    bytes: [null, null, null],
  });
  assertEquals(stages.map(({ busy }) => busy), [0.5, 0.1]);
  assertEquals(workers.map(({ in: read, busy }) => [read, busy]), [[1_000, 0.6], [1_000, 0.6]]);
});

Deno.test("a client that comes gets the last minute, and no more", () => {
  using it = feedOf();
  it.seconds(70);
  const { points } = it.feed.history();
  assertEquals(points.length, 60);
  assertEquals([points[0].at, points[59].at], [BEGUN + 11_000, BEGUN + 70_000]);
});

Deno.test("a run that is started again counts from zero, and no rate is below zero", () => {
  using it = feedOf();
  it.seconds(10);
  it.run.change = { restarts: 1 };
  it.run.changeWorker = (worker) => ({
    ...worker,
    steps: worker.steps.map((step) => ({ ...step, in: 0, out: 0 })),
  });
  it.seconds(1);
  assertEquals([it.feed.status.point.in, it.feed.status.graph], [0, 1]);
  assertEquals(it.feed.history().points.length, 12);
});

Deno.test("counts that go back begin again, also without a restart", () => {
  using it = feedOf();
  it.seconds(10);
  it.run.changeWorker = (worker) => ({ ...worker, steps: worker.steps.slice(0, 1) });
  it.seconds(1);
  assertEquals(it.feed.status.point.in, 0);
  it.seconds(2);
  assertEquals(it.feed.status.point.in, 2_000);
});

Deno.test("another flow has another number, and its points stand alone", () => {
  using it = feedOf();
  it.seconds(3);
  const { graph } = it.run.view();
  it.run.change = { graph: { ...graph!, steps: graph!.steps.slice(0, 2) } };
  it.seconds(1);
  assertEquals(it.feed.status.graph, 2);
  assertEquals(it.feed.history().points.map(({ steps }) => steps.length), [2]);
});

Deno.test("lag, event time and memory are those of all workers", () => {
  using it = feedOf();
  it.run.changeWorker = (worker, index) => ({
    ...worker,
    lag: [{ step: "in", partition: `orders/${index}`, items: 10 + index, ms: 5 - index, ageMs: 0 }],
    eventTimes: [{
      step: "totals",
      time: BEGUN - index * 1_000,
      behindMs: 1_000 + index * 1_000,
      heldBy: `orders/${index}`,
    }],
    state: [{ step: "totals", keys: 7, bytes: index === 0 ? 100 : null }],
    memory: index === 0 ? { rss: 1, heapUsed: 1 } : null,
  });
  it.seconds(1);
  const { point, inputs, partitions, eventTimes, steps } = it.feed.status;
  assertEquals([point.lag, point.behindMs, point.rss], [21, 2_000, null]);
  assertEquals(inputs, [{ step: "in", partitions: 2, lag: 21, ms: 5 }]);
  assertEquals([steps.keys, steps.bytes], [[null, 14, null], [null, null, null]]);
  assertEquals(partitions.map(({ partition, lag }) => [partition, lag]), [
    ["orders/1", 11],
    ["orders/0", 10],
  ]);
  assertEquals(eventTimes, [
    { step: "totals", time: BEGUN - 1_000, behindMs: 2_000, heldBy: "orders/1", worker: 1 },
  ]);
});

Deno.test("times of epochs are those of the clock on the wall", () => {
  using it = feedOf();
  it.seconds(25);
  const { epochs, commitAgeMs, intervalMs, upMs } = it.feed.status;
  assertEquals(epochs.map(({ epoch, at }) => [epoch, at - BEGUN]), [[1, 0], [2, 10_000], [
    3,
    20_000,
  ]]);
  assertEquals([commitAgeMs, intervalMs, upMs], [5_000, 10_000, 25_000]);
});

Deno.test("a sentence stays for three seconds, unless it gets worse or the run ends", () => {
  using it = feedOf();
  it.seconds(3);
  const kind = () => it.feed.status.verdict.tone;
  assertEquals(kind(), "good");
  it.run.change = { waiting: { what: ["broker"], since: 0 } };
  it.seconds(1);
  assertEquals(kind(), "warning");
  it.run.change = {};
  it.seconds(2);
  assertEquals(kind(), "warning");
  it.seconds(1);
  assertEquals(kind(), "good");
  it.run.change = { phase: "over", past: { ...NO_PAST, outcome: "finished" } };
  it.seconds(1);
  assertEquals(it.feed.status.verdict.parts, [
    "The flow has finished: its inputs have ended, and all is written.",
  ]);
});

Deno.test("news are the lines and errors that come after those that are known", () => {
  using it = feedOf();
  const line = (number: number) => ({
    number,
    at: BEGUN,
    level: "info" as const,
    message: "m",
    fields: {},
  });
  const error = { at: 7, message: "e", step: null, worker: null, item: null, origin: null };
  it.run.change = { past: { ...NO_PAST, lines: [line(4), line(5)], errors: [error] } };
  assertEquals(it.feed.newsSince(5, 7), null);
  assertEquals(it.feed.newsSince(4, 7)?.lines.map(({ number }) => number), [5]);
  assertEquals(it.feed.newsSince(5, 6), { lines: [], errors: [error] });
});

Deno.test("it ends with a last look, and lets those that wait go on", async () => {
  const it = feedOf();
  const next = it.feed.next();
  it.run.change = { phase: "over" };
  it.feed[Symbol.dispose]();
  await next;
  await it.feed.next();
  assertEquals([it.feed.isOver, it.feed.status.phase], [true, "over"]);
});

Deno.test("sixty steps on 32 workers are told in some kilobytes", () => {
  using it = feedOf(SIXTY_STEPS);
  it.seconds(10);
  assertEquals(it.feed.status.steps.out.length >= 60, true);
  assertAlmostEquals(it.feed.statusText.length, 8_000, 6_000);
});

Deno.test("tasks of a group are shown with their rates, those that do not run first", () => {
  using it = feedOf();
  assertEquals(it.feed.status.group, null);
  const at = (seconds: number) => ({
    group: {
      ...GROUP,
      tasks: [
        taskOf("a_0", { in: 100 * seconds, out: 50 * seconds, inputLag: 5 }),
        taskOf("a_1", { in: 10 * seconds, worker: seconds > 1 ? 1 : 0, shuffleLag: 9 }),
        taskOf("b_0", { state: "restoring", restored: { done: 1, total: 4 } }),
      ],
    },
  });
  for (let second = 1; second <= 3; second++) {
    it.run.change = at(second);
    it.seconds(1);
  }
  const { group } = it.feed.status;
  assertEquals([group?.app, group?.groupId, group?.restored], ["orders", "orders.1", 0.25]);
  assertEquals(group?.counts, { waiting: 0, restoring: 1, running: 2, revoking: 0 });
  assertEquals(
    group?.tasks.map(({ task, in: read, out, restored }) => [task, read, out, restored]),
    [
      ["b_0", 0, 0, 0.25],
      ["a_1", 0, 0, null],
      ["a_0", 0, 0, null],
    ],
  );
  it.run.change = at(4);
  it.seconds(1);
  it.run.change = at(5);
  it.seconds(1);
  it.run.change = at(6);
  it.seconds(1);
  it.run.change = at(7);
  it.seconds(1);
  const rates = it.feed.status.group?.tasks.map(({ task, in: read, out }) => [task, read, out]);
  assertEquals(rates, [["b_0", 0, 0], ["a_1", 10, 0], ["a_0", 100, 50]]);
});
