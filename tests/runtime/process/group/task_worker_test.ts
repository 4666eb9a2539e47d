import { assertEquals, assertStringIncludes } from "@std/assert";
import type {
  FromTaskWorker,
  ToTaskWorker,
} from "../../../../src/runtime/process/group/messages.ts";
import { TaskWorker } from "../../../../src/runtime/process/group/task_worker.ts";

const MODULE = import.meta.resolve("../../../support/group/unclosable_log.ts");

const LOAD: ToTaskWorker = {
  kind: "load",
  worker: 0,
  moduleUrl: MODULE,
  exportName: null,
  app: "orders",
  groupId: "orders.1",
  memberId: "m0",
  shards: 2,
  protocol: "streams",
  guarantee: "exactly-once",
  logModule: MODULE,
  cacheFolder: null,
  waitsForBrokers: false,
  commitIntervalMs: 1_000,
  logLevel: "info",
  statusMs: 10_000,
};

Deno.test("a worker whose log does not close says so, and ends all the same", async () => {
  const said: FromTaskWorker[] = [];
  const loaded = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<number>();
  const worker = new TaskWorker({
    send: (message) => {
      said.push(message);
      if (message.kind === "loaded") loaded.resolve();
    },
    async *messages() {
      yield LOAD;
      await loaded.promise;
      yield { kind: "stop" };
    },
    flushed: () => Promise.resolve(),
    isSending: false,
  }, (code) => exited.resolve(code));
  await worker.follow();
  assertEquals(await exited.promise, 0);
  const log = said.findLast(({ kind }) => kind === "log");
  assertStringIncludes(JSON.stringify(log), "broken");
});
