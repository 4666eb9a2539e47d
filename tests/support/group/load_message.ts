import type { ToTaskWorker } from "../../../src/runtime/process/group/messages.ts";

/** What a group tells its worker 0 first: the flow of a module, whose log is there, too. */
export function loadMessage(
  module: string,
  given: Partial<Extract<ToTaskWorker, { kind: "load" }>> = {},
): Extract<ToTaskWorker, { kind: "load" }> {
  return {
    kind: "load",
    worker: 0,
    moduleUrl: module,
    exportName: null,
    app: "orders",
    groupId: "orders.1",
    memberId: "m0",
    shards: 2,
    protocol: "streams",
    guarantee: "exactly-once",
    logModule: module,
    cacheFolder: null,
    waitsForBrokers: false,
    lateCommits: 0,
    commitIntervalMs: 1_000,
    logLevel: "info",
    statusMs: 10_000,
    ...given,
  };
}
