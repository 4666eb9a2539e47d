import { FlowMeters } from "../../../src/graph/meters.ts";
import type { RunView } from "../../../src/ops/run_view.ts";
import { GROUP } from "./group.ts";
import { IDLE_WORKER, NO_PAST } from "./idle_worker.ts";

/** What users measure on one of them. */
const meters = new FlowMeters();
meters.of("half").counter("odd_total", { help: "Odd.", labels: ["last"] }).add(2, {
  last: 'a "9"',
});
meters.of("half").gauge("newest").set(-4);
meters.of("half").histogram("size", { buckets: [1, 2.5] }).record(2);

/** A run of two workers, of which one has all that there can be. */
export const BUSY_RUN: RunView = {
  phase: "running",
  flow: 'a "flow"',
  graph: {
    name: "flow",
    steps: [
      { id: "in", kind: "input", stateKind: null, stage: 0, from: [] },
      {
        id: "half",
        kind: "map",
        stateKind: null,
        stage: 0,
        from: [{ step: "in", stream: null, isExchanged: false }],
      },
      {
        id: "counts",
        kind: "window",
        stateKind: "windows",
        stage: 1,
        from: [{ step: "half", stream: null, isExchanged: true }],
      },
    ],
  },
  restarts: 2,
  stepRestarts: [{ step: "counts", count: 1 }],
  workers: [
    {
      ...IDLE_WORKER,
      measured: meters.read(),
      steps: [
        { stepId: "in", kind: "input", in: 0, out: 5 },
        { stepId: "counts", kind: "stateful", in: 5, out: 2 },
        { stepId: "counts.late", kind: "late", in: 5, out: 1 },
      ],
      memory: { rss: 1_000, heapUsed: 500 },
      lag: [{ step: "in", partition: "orders/3", items: 17, ms: 2_500, ageMs: 400 }],
      eventTimes: [{ step: "counts", time: 1_500, behindMs: 3_500, heldBy: "orders/3 of in" }],
      state: [{ step: "counts", keys: 3, bytes: 96 }, { step: "sums", keys: 1, bytes: null }],
      connections: [{ step: "in", to: "kafka:9092", reconnects: 2, throttledMs: 1_250 }],
      outputs: [{ step: "out", prepareMs: 120, transactions: { count: 2, oldestMs: 1_250 } }],
      openWindows: [{ step: "counts", count: 5 }],
      stages: [
        { stage: 0, busyMs: 1_500, backpressuredMs: 500, idleMs: 8_000, queued: 0 },
        { stage: 1, busyMs: 0, backpressuredMs: 0, idleMs: 10_000, queued: 3 },
      ],
    },
    { ...IDLE_WORKER, unanswered: 3 },
  ],
  epoch: {
    epoch: 7,
    at: 1_000,
    ms: 250,
    alignMs: 200,
    storeMs: 50,
    bytes: 4_096,
    intervalMs: 10_000,
  },
  storeConnections: [{ to: "store:9092", reconnects: 1, throttledMs: 500 }],
  waiting: { what: ["broker"], since: 2_000 },
  group: GROUP,
  past: NO_PAST,
};
