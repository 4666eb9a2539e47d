/**
 * What a process starts with that describes a flow for its supervisor. Run by `FlowDescriber` only.
 *
 * @module
 */
import { runWorker } from "../worker_start.ts";
import { DescribedFlow } from "./described_flow.ts";
import { type FromDescriber, GROUP_PROTOCOL_VERSION, type ToDescriber } from "./messages.ts";

await runWorker<ToDescriber, FromDescriber>(
  GROUP_PROTOCOL_VERSION,
  (link) => new DescribedFlow(link),
  { kind: "stopRequested" },
);
