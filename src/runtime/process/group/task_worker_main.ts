/**
 * What a worker process of a group starts with. Run by its supervisor only.
 *
 * @module
 */
import { runWorker } from "../worker_start.ts";
import { type FromTaskWorker, GROUP_PROTOCOL_VERSION, type ToTaskWorker } from "./messages.ts";
import { TaskWorker } from "./task_worker.ts";

await runWorker<ToTaskWorker, FromTaskWorker>(
  GROUP_PROTOCOL_VERSION,
  (link) => new TaskWorker(link),
  { kind: "stopRequested" },
);
