/**
 * Exports what users measure, where Deno exports metrics. Else nothing is loaded for it.
 *
 * @module
 */
import type { WorkerIndex } from "../core/ids.ts";
import type { FlowGraph } from "../graph/graph.ts";
import { exportsMetrics } from "../ops/telemetry/deno_exports.ts";
import type { OwnMetrics } from "../ops/telemetry/own_metrics.ts";

/** Begins for a worker of this process; `null` where nothing is exported. */
export function openOwnMetrics(
  { name: flow, meters }: FlowGraph,
  worker: WorkerIndex,
): Promise<OwnMetrics> | null {
  if (!exportsMetrics()) return null;
  return import("../ops/telemetry/own_metrics.ts").then(({ OwnMetrics }) =>
    new OwnMetrics(meters, { flow, worker: String(worker) })
  );
}
