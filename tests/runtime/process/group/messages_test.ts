import { assert, assertEquals } from "@std/assert";
import { taskId } from "../../../../src/core/task_id.ts";
import { toFailure } from "../../../../src/runtime/process/failure.ts";
import {
  type FromTaskWorker,
  GROUP_PROTOCOL_VERSION,
  type ToTaskWorker,
} from "../../../../src/runtime/process/group/messages.ts";
import { NO_READINGS } from "../../../../src/runtime/worker_readings.ts";
import {
  decodeMessage,
  encodeMessage,
  PROTOCOL_VERSION,
} from "../../../../src/runtime/process/protocol.ts";

const ITEMS = { inputLag: 4, in: 7, out: 2 };

type Message = ToTaskWorker | FromTaskWorker;

const tasks = [taskId("keyed", 0), taskId("other.in", 12)];

/** One of each kind. */
const MESSAGES: { readonly [K in Message["kind"]]: Extract<Message, { kind: K }> } = {
  load: {
    kind: "load",
    worker: 1,
    moduleUrl: "file:///flow.ts",
    exportName: null,
    app: "orders",
    groupId: "orders.1",
    memberId: "6ad3a7f0-7f5e-4b0a-9d27-8f3f0c1b8a11",
    shards: 64,
    protocol: "streams",
    guarantee: "exactly-once",
    logModule: "file:///log.ts",
    cacheFolder: null,
    waitsForBrokers: false,
    lateCommits: 0,
    commitIntervalMs: 1_000,
    logLevel: "info",
    statusMs: 250,
  },
  assign: { kind: "assign", tasks },
  revoke: { kind: "revoke", tasks },
  standbys: { kind: "standbys", tasks },
  identity: { kind: "identity", number: 3, memberId: "m", epoch: 7, instanceId: null },
  identityRefused: { kind: "identityRefused", number: 4, reason: "others have the tasks" },
  ask: { kind: "ask", number: 2, question: { kind: "key", step: "count", key: "a" } },
  told: {
    kind: "told",
    number: 2,
    answer: { steps: [], states: [{ key: "a", state: Uint8Array.of(1) }] },
  },
  stop: { kind: "stop" },
  loaded: { kind: "loaded", flow: { name: "flow", steps: [] } },
  gaveUp: { kind: "gaveUp", tasks },
  identityWanted: { kind: "identityWanted", number: 3 },
  identityDone: { kind: "identityDone", number: 3 },
  status: {
    kind: "status",
    epoch: -1,
    tasks: [
      { task: tasks[0], phase: "restoring", restored: { done: 3, total: 9 }, lag: 0, ...ITEMS },
      { task: tasks[1], phase: "running", restored: null, lag: 5, ...ITEMS },
    ],
    standbys: [{ task: tasks[1], lag: 4, hasFailed: false }, {
      task: tasks[0],
      lag: null,
      hasFailed: true,
    }],
    stored: [[tasks[0], 9]],
    waitingFor: ["broker"],
    steps: [{ stepId: "in", kind: "input", in: 0, out: 7 }],
    readings: NO_READINGS,
    measured: [],
    memory: { rss: 2, heapUsed: 1 },
    commit: { epoch: 3, ageMs: 40, ms: 5, logMs: 4, bytes: 100 },
    progressAgeMs: 12.5,
  },
  stopRequested: { kind: "stopRequested" },
  stopped: { kind: "stopped" },
  failed: {
    kind: "failed",
    failure: toFailure(new Error("broken")),
    isFenced: true,
    isLasting: false,
    isLate: false,
  },
  log: { kind: "log", level: "warn", message: "slow", fields: { seconds: 5, step: null } },
};

Deno.test("every message of a group is the same after its way", () => {
  for (const message of Object.values(MESSAGES)) {
    assertEquals(decodeMessage<Message>(encodeMessage(message)), message, message.kind);
  }
});

Deno.test("no version of the conversation in a group is one of a single machine", () => {
  assert(PROTOCOL_VERSION < 128);
  assert(GROUP_PROTOCOL_VERSION >= 128 && GROUP_PROTOCOL_VERSION < 256); // it has one byte
});
