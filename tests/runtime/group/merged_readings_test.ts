import { assertEquals } from "@std/assert";
import { mergeReadings } from "../../../src/runtime/group/merged_readings.ts";
import { NO_READINGS, type WorkerReadings } from "../../../src/runtime/worker_readings.ts";

const stage = (stage: number, busyMs: number, idleMs: number, queued: number) => ({
  stage,
  busyMs,
  backpressuredMs: 1,
  idleMs,
  queued,
});

Deno.test("readings of tasks add up to those of their worker", () => {
  const lag = (partition: string) => ({ step: "in", partition, items: 2, ms: 5, ageMs: null });
  const time = (time: number) => ({ step: "window", time, behindMs: 10 - time, heldBy: null });
  const link = (to: string) => ({ step: "in", to, reconnects: 1, throttledMs: 10 });
  const first: WorkerReadings = {
    lag: [lag("a-0")],
    eventTimes: [time(7)],
    stages: [stage(1, 10, 89, 3), stage(0, 20, 79, 0)],
    state: [{ step: "count", keys: 3, bytes: 30 }],
    openWindows: [{ step: "window", count: 2 }],
    outputs: [{ step: "out", prepareMs: null, transactions: { count: 1, oldestMs: 5 } }],
    connections: [link("one:1"), link("two:2")],
  };
  const second: WorkerReadings = {
    lag: [lag("a-1")],
    eventTimes: [time(4)],
    stages: [stage(1, 5, 44, 1)],
    state: [{ step: "count", keys: 4, bytes: 10 }, { step: "other", keys: 1, bytes: null }],
    openWindows: [{ step: "window", count: 3 }],
    outputs: [{ step: "out", prepareMs: 4, transactions: { count: 2, oldestMs: 9 } }],
    connections: [link("one:1")],
  };
  assertEquals(mergeReadings([first, second]), {
    lag: [lag("a-0"), lag("a-1")],
    eventTimes: [time(4)],
    // The first has run for 100 ms.
    stages: [
      { stage: 0, busyMs: 20, backpressuredMs: 1, idleMs: 79, queued: 0 },
      { stage: 1, busyMs: 15, backpressuredMs: 2, idleMs: 83, queued: 4 },
    ],
    state: [{ step: "count", keys: 7, bytes: 40 }, { step: "other", keys: 1, bytes: null }],
    openWindows: [{ step: "window", count: 5 }],
    outputs: [{ step: "out", prepareMs: 4, transactions: { count: 3, oldestMs: 9 } }],
    connections: [
      { step: "in", to: "one:1", reconnects: 2, throttledMs: 20 },
      { step: "in", to: "two:2", reconnects: 1, throttledMs: 10 },
    ],
  });
  assertEquals(mergeReadings([first]).stages.map(({ stage }) => stage), [0, 1]);
  assertEquals(mergeReadings([]), NO_READINGS);
});

Deno.test("what is not known of one task is not known of the worker, or that of the others is", () => {
  const state = (bytes: number | null) => ({ step: "count", keys: 1, bytes });
  const output = (prepareMs: number | null) => ({ step: "out", prepareMs, transactions: null });
  const one = { ...NO_READINGS, state: [state(null)], outputs: [output(3)] };
  const other = { ...NO_READINGS, state: [state(5)], outputs: [output(9)] };
  const { state: [both], outputs } = mergeReadings([one, other]);
  assertEquals([both.bytes, outputs], [null, [output(9)]]);
});
