import { assertEquals, assertStringIncludes } from "@std/assert";
import type { FromTaskWorker } from "../../../../src/runtime/process/group/messages.ts";
import { TaskWorker } from "../../../../src/runtime/process/group/task_worker.ts";
import { loadMessage } from "../../../support/group/load_message.ts";

const MODULE = import.meta.resolve("../../../support/group/unclosable_log.ts");

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
      yield loadMessage(MODULE);
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
