/**
 * Exports by OTLP what users measure in their own code. The worker that measures it does so.
 *
 * @module
 */
import { type Counter, type Gauge, type Histogram, type Meter, metrics } from "@opentelemetry/api";
import { VERSION } from "../../core/version.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { FlowMeters } from "../../graph/meters.ts";
import { userMetricName } from "../user_metrics.ts";

/** The labels that all values of a worker have. */
export interface WorkerLabels {
  readonly flow: string;
  readonly worker: string;
}

type Form = Pick<MeasuredMetric, "kind" | "name" | "help" | "labels" | "buckets" | "step">;

/** Exports what is measured in a flow on this worker. */
export class OwnMetrics {
  readonly #meters: FlowMeters;
  readonly #labels: WorkerLabels;
  readonly #meter: Meter;
  readonly #instruments = new Map<string, Counter | Gauge | Histogram>();
  readonly #counted = new Map<string, number>();

  /** Exports with `meter`: that of Deno, unless a test has its own. */
  constructor(
    meters: FlowMeters,
    labels: WorkerLabels,
    meter: Meter = metrics.getMeter("millrace", VERSION),
  ) {
    this.#meters = meters;
    this.#labels = labels;
    this.#meter = meter;
    // Buckets alone would not tell the values.
    meters.onRecord = ({ form, step }, value, labels) => {
      const histogram = this.#instrument({ ...form, step }) as Histogram;
      histogram.record(value, this.#attributes({ ...form, step }, labels));
    };
  }

  /** Exports counters and gauges as they are now. */
  record(): void {
    for (const metric of this.#meters.read()) {
      if (metric.kind === "histogram") continue;
      const instrument = this.#instrument(metric);
      for (const { labels, value } of metric.series) {
        const attributes = this.#attributes(metric, labels);
        if (metric.kind === "gauge") (instrument as Gauge).record(value, attributes);
        else {
          const key = JSON.stringify([metric.name, metric.step, labels]);
          const from = this.#counted.get(key) ?? 0;
          if (value > from) (instrument as Counter).add(value - from, attributes);
          this.#counted.set(key, value);
        }
      }
    }
  }

  #attributes({ labels: names, step }: Form, values: readonly string[]): Record<string, string> {
    const own = Object.fromEntries(names.map((name, i) => [name, values[i]]));
    return { ...this.#labels, step, ...own };
  }

  #instrument({ kind, name, help, buckets }: Form): Counter | Gauge | Histogram {
    const known = this.#instruments.get(name);
    if (known !== undefined) return known;
    const options = { description: help };
    const exported = userMetricName(name);
    const made = kind === "counter"
      ? this.#meter.createCounter(exported, options)
      : kind === "gauge"
      ? this.#meter.createGauge(exported, options)
      : this.#meter.createHistogram(exported, {
        ...options,
        advice: { explicitBucketBoundaries: [...buckets] },
      });
    this.#instruments.set(name, made);
    return made;
  }
}
