/**
 * What users have measured in their own code, as Prometheus metrics.
 *
 * @module
 */
import type { MeasuredMetric } from "../graph/measured.ts";
import type { RunSource } from "./run_view.ts";

/** What each name has before it, so that it is never one of ours. */
const PREFIX = "millrace_user_";

/** The name of a user's metric for those outside. */
export function userMetricName(name: string): string {
  return PREFIX + name;
}

/** A line of a metric. */
interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly metricName: string;
}

/** What the registry asks of a metric. */
interface Values {
  readonly name: string;
  readonly help: string;
  readonly type: MeasuredMetric["kind"];
  readonly values: readonly Value[];
}

/**
 * A metric whose values are those of all workers. It stands in for one of `prom-client`, which asks
 * it for its values: a histogram of theirs cannot be set to counts.
 */
export class UserMetric {
  readonly name: string;
  readonly #own: string;
  readonly #source: RunSource;

  /** The metric that users call `name`. */
  constructor(name: string, source: RunSource) {
    this.name = userMetricName(name);
    this.#own = name;
    this.#source = source;
  }

  /** Returns its values, for the registry. */
  get(): Promise<Values> {
    const { flow, workers } = this.#source.view();
    const measured = workers.flatMap((worker, index) =>
      worker.measured.filter(({ name }) => name === this.#own)
        .map((metric) => ({ metric, worker: String(index) }))
    );
    const first = measured.at(0)?.metric;
    const values = measured.flatMap(({ metric, worker }) =>
      this.#valuesOf(metric, { ...flow === null ? {} : { flow }, step: metric.step, worker })
    );
    return Promise.resolve({
      name: this.name,
      help: first?.help || "Measured by the flow's own code.",
      type: first?.kind ?? "gauge",
      values,
    });
  }

  #valuesOf(metric: MeasuredMetric, common: Record<string, string>): Value[] {
    return metric.series.flatMap(({ labels, value, counts }) => {
      const own = Object.fromEntries(metric.labels.map((name, i) => [name, labels[i]]));
      const all = { ...common, ...own };
      if (metric.kind !== "histogram") return [{ value, labels: all, metricName: this.name }];
      let below = 0;
      const buckets = counts.map((count, i): Value => ({
        value: below += count,
        labels: { ...all, le: String(metric.buckets[i] ?? "+Inf") },
        metricName: `${this.name}_bucket`,
      }));
      return [
        ...buckets,
        { value, labels: all, metricName: `${this.name}_sum` },
        { value: below, labels: all, metricName: `${this.name}_count` },
      ];
    });
  }
}
