import { assertEquals, assertThrows } from "@std/assert";
import { encodeValue } from "../../../src/core/value_codec.ts";
import {
  decodeMessage,
  encodeMessage,
  type ToCoordinator,
  type ToWorker,
} from "../../../src/runtime/process/protocol.ts";

type Message = ToWorker | ToCoordinator;

const STEPS = [{ stepId: "in", kind: "input", in: 0, out: 3 }] as const;
const POSITIONS = [
  { step: "in", role: "input", partition: "t-0", state: new Uint8Array([1]) },
] as const;
const ERROR = {
  name: "TypeError",
  message: "two\nlines",
  stack: "TypeError: two\nlines\n    at x",
  cause: null,
  errors: [],
};

/** One of each message. A kind that is missing here, or is too many, does not compile. */
const MESSAGES: { readonly [K in Message["kind"]]: Extract<Message, { kind: K }> } = {
  load: {
    kind: "load",
    index: 1,
    count: 2,
    moduleUrl: "file:///flow.ts",
    exportName: null,
    logLevel: "info",
    statusMs: 250,
  },
  plan: { kind: "plan", positions: POSITIONS, recovery: { intervalMs: 250 } },
  state: { kind: "state", step: "count", keys: [{ id: 7, key: "k", state: new Uint8Array([1]) }] },
  open: {
    kind: "open",
    epoch: 7,
    plans: { in: { files: ["a.txt"] } },
    positions: POSITIONS,
    snapshots: { firstId: 128, byKey: false },
    recovery: { intervalMs: 250 },
    mesh: { addresses: [{ unix: "/tmp/x/worker-0" }, { port: 7 }], key: "0f" },
  },
  run: { kind: "run" },
  abort: { kind: "abort" },
  ping: { kind: "ping" },
  ask: { kind: "ask", number: 3, question: { kind: "keys", step: "sum", from: 0, count: 9 } },
  closeEpoch: { kind: "closeEpoch", epoch: 7 },
  commitEpoch: { kind: "commitEpoch", epoch: 7 },
  stillClosing: { kind: "stillClosing", epoch: 7, ms: 10_000 },
  stop: { kind: "stop" },
  finish: { kind: "finish", epoch: 8 },
  giveUp: { kind: "giveUp" },
  cutShort: { kind: "cutShort" },
  gaveUp: { kind: "gaveUp" },
  left: { kind: "left", steps: [{ step: "lookup", inFlight: 16 }] },
  loaded: {
    kind: "loaded",
    flow: "größe \u2028\r",
    written: 1,
    steps: ["in", "map-1"],
    stored: { keyed: [], inputs: ["in"], outputs: [] },
    mesh: null,
    graph: { name: "flow", steps: [] },
  },
  planned: { kind: "planned", plans: {} },
  opened: { kind: "opened", positions: POSITIONS },
  traced: { kind: "traced", epoch: 3, traces: ["00-0af7651916cd43dd8448eb211c80319c-01"] },
  measured: {
    kind: "measured",
    metrics: [{
      kind: "histogram",
      name: "lookup_seconds",
      step: "lookup",
      help: "How long a lookup takes.",
      labels: ["table"],
      buckets: [0.1, 1],
      series: [{ labels: ["customers"], value: 1.25, counts: [1, 1, 0] }],
    }],
  },
  pong: { kind: "pong" },
  told: {
    kind: "told",
    number: 3,
    answer: {
      steps: [{ step: "sum", keys: 2 }],
      states: [{ key: "a", state: new Uint8Array([1]) }, { key: "b", error: "why" }],
    },
  },
  stateChanged: {
    kind: "stateChanged",
    epoch: 7,
    chunk: {
      step: "count",
      ids: new Float64Array([7, 2 ** 40]),
      keys: ["a", "b"],
      states: new Uint8Array([1, 2]),
      lengths: new Int32Array([2, -1]),
    },
  },
  epochClosed: { kind: "epochClosed", epoch: 7, positions: POSITIONS },
  stopRequested: { kind: "stopRequested" },
  inputFailed: {
    kind: "inputFailed",
    failure: { usage: false, step: { stepId: "in" }, error: ERROR },
  },
  status: {
    kind: "status",
    steps: STEPS,
    progress: { done: 1, total: 2, unit: "items" },
    waitingFor: ["broker"],
    memory: { rss: 1, heapUsed: 2 },
    lag: [{ step: "in", partition: "orders/3", items: 17, ms: null, ageMs: 500 }],
    eventTimes: [{ step: "counts", time: 1_500, behindMs: 10, heldBy: null }],
    state: [{ step: "counts", keys: 3, bytes: null }],
    connections: [{ step: "in", to: "kafka:9092", reconnects: 2, throttledMs: 7 }],
    outputs: [{ step: "out", prepareMs: 1.5, transactions: { count: 2, oldestMs: 9 } }],
    openWindows: [{ step: "counts", count: 5 }],
    stages: [{ stage: 0, busyMs: 1.5, backpressuredMs: 0, idleMs: 8, queued: 3 }],
  },
  log: { kind: "log", level: "warn", message: "a\nb", fields: { lag: 3, topic: null } },
  ended: { kind: "ended", stopped: true, epoch: 8, positions: [] },
  settled: { kind: "settled", epoch: 8, positions: POSITIONS },
  finished: { kind: "finished", steps: STEPS },
  failed: {
    kind: "failed",
    failure: { usage: false, step: { stepId: "in", item: "1" }, error: ERROR },
  },
};

Deno.test("decodeMessage() gives every message back", () => {
  for (const message of Object.values(MESSAGES)) {
    assertEquals(decodeMessage<Message>(encodeMessage(message)), message);
  }
});

Deno.test("decodeMessage() refuses a message that would take more memory than is allowed", () => {
  const count = 2_000_000; // of ones, one byte each
  const text = encodeValue({ kind: "left", steps: new Uint8Array(count).fill(1) });
  const at = text.length - count - 4; // where the bytes begin, which become an array
  const bomb = text.slice();
  assertEquals(bomb[at], 0xed);
  bomb[at] = 0xee;
  const before = Deno.memoryUsage().heapUsed;
  assertThrows(
    () => decodeMessage(bomb, 16 << 20),
    RangeError,
    "a worker's message of 2 MiB would take more than 16 MiB at the coordinator. Positions of very " +
      "many files or partitions do: run the flow with more workers",
  );
  assertEquals(Deno.memoryUsage().heapUsed - before < 4 << 20, true);
  assertEquals(decodeMessage<Message>(text, 16 << 20).kind, "left"); // binary data is what it is
});

Deno.test("decodeMessage() refuses what is not a message", () => {
  for (const value of [null, 7, [], {}, { kind: 1 }, "stop"]) {
    const bytes = encodeValue(value);
    assertThrows(() => decodeMessage(bytes), Error, "a control message has no kind");
  }
  assertThrows(() => decodeMessage(new TextEncoder().encode("GET / HTTP/1.1")));
  assertThrows(() => decodeMessage(encodeMessage(MESSAGES.log).subarray(0, 20)));
});
