/**
 * The metrics of a run: their names, what they mean, and how they are read. All that export them,
 * to Prometheus or by OTLP, read them here, so that they show the same.
 *
 * @module
 */
import type { MetricDefinition } from "./metrics/definition.ts";
import { EPOCH_METRICS } from "./metrics/epoch_metrics.ts";
import { GROUP_METRICS } from "./metrics/group_metrics.ts";
import { IO_METRICS } from "./metrics/io_metrics.ts";
import { RUN_METRICS } from "./metrics/run_metrics.ts";
import { STEP_METRICS } from "./metrics/step_metrics.ts";

export type { Labels, MetricDefinition, Sample } from "./metrics/definition.ts";

/** All metrics of the engine, in the order in which they are shown. */
export const METRIC_DEFINITIONS: readonly MetricDefinition[] = [
  ...RUN_METRICS,
  ...STEP_METRICS,
  ...IO_METRICS,
  ...EPOCH_METRICS,
  ...GROUP_METRICS,
];
