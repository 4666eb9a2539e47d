/**
 * What a worker exports by itself, where Deno exports telemetry. Else nothing is loaded for it.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { FlowGraph } from "../graph/graph.ts";
import { denoExports, exportsMetrics, exportsSpans } from "../ops/telemetry/deno_exports.ts";
import type { OwnMetrics } from "../ops/telemetry/own_metrics.ts";
import type { Traces } from "./traces.ts";

/** What a worker exports. */
export interface WorkerTelemetry {
  /** What users measure; `null` if metrics are not exported. */
  readonly ownMetrics: OwnMetrics | null;
  /** The traces of items; `null` if spans are not exported. */
  readonly traces: Traces | null;
}

/** Of a worker that exports nothing. */
export const NO_TELEMETRY: WorkerTelemetry = { ownMetrics: null, traces: null };

/** Begins for a worker of this process; `null` where nothing is exported. */
export function openTelemetry(
  graph: FlowGraph,
  worker: WorkerIndex,
  log: Log,
): Promise<WorkerTelemetry> | null {
  return denoExports() ? load(graph, worker, log) : null;
}

/** The flow runs also where its project does not have the package. */
async function load(
  { name: flow, meters }: FlowGraph,
  worker: WorkerIndex,
  log: Log,
): Promise<WorkerTelemetry> {
  try {
    const [metrics, items] = await Promise.all([
      exportsMetrics() ? import("../ops/telemetry/own_metrics.ts") : null,
      exportsSpans() ? import("../ops/telemetry/item_traces.ts") : null,
    ]);
    return {
      ownMetrics: metrics && new metrics.OwnMetrics(meters, { flow, worker: String(worker) }),
      traces: items && new items.ItemTraces(),
    };
  } catch (error) {
    log.warn(
      "your own metrics and the traces of messages are not exported, as @opentelemetry/api cannot " +
        "be loaded: add it to the project of the flow",
      { error: messageOf(error) },
    );
    return NO_TELEMETRY;
  }
}
