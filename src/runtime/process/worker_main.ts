/**
 * What a worker process starts with. Run by `spawnCluster` only.
 *
 * @module
 */
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { WorkerProcess } from "./worker_process.ts";
import { runWorker } from "./worker_start.ts";

await runWorker<ToWorker, ToCoordinator>(
  PROTOCOL_VERSION,
  (link, folder) => new WorkerProcess(link, folder),
  { kind: "stopRequested" },
);
