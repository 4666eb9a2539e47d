/**
 * What users have measured on a worker, as data.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";

/** A metric of a step. */
export interface MeasuredMetric {
  readonly kind: "counter" | "gauge" | "histogram";
  /** As the user wrote it. */
  readonly name: string;
  readonly step: StepId;
  readonly help: string;
  /** The names of its labels. */
  readonly labels: readonly string[];
  /** The upper bounds of a histogram's buckets; empty for others. */
  readonly buckets: readonly number[];
  readonly series: readonly MeasuredSeries[];
}

/** One of its values. */
export interface MeasuredSeries {
  /** The values of its labels, in their order. */
  readonly labels: readonly string[];
  /** The value; for a histogram, the sum of all. */
  readonly value: number;
  /** How many values are in each bucket of a histogram, those above the last too; else empty. */
  readonly counts: readonly number[];
}
