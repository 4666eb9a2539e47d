/**
 * A run as Prometheus metrics.
 *
 * @module
 */
import { METRIC_DEFINITIONS, type MetricDefinition } from "./metric_definitions.ts";
import type { RunSource } from "./run_view.ts";
import { UserMetric } from "./user_metrics.ts";

/** The metrics of a run, in Prometheus' text format. */
export interface RunMetrics {
  readonly contentType: string;
  /** Returns all of them, as they are now. */
  text(): Promise<string>;
}

/** Makes them. It loads `prom-client`, which takes 20 MB and some 80 ms. */
export async function createMetrics(source: RunSource): Promise<RunMetrics> {
  const { default: { Counter, Gauge, Registry } } = await import("prom-client");
  // Not the global one, where a program that calls `spawnCluster` may have metrics of its own.
  const registry = new Registry();
  const registers = [registry];
  const add = ({ kind, name, help, labels, read }: MetricDefinition) => {
    const collect = () => {
      metric.reset();
      const view = source.view();
      const flow: Record<string, string> = view.flow === null ? {} : { flow: view.flow };
      for (const [value, own] of read(view, source.now())) metric.inc({ ...flow, ...own }, value);
    };
    const options = { name, help, labelNames: ["flow", ...labels], registers, collect };
    const metric = kind === "counter" ? new Counter(options) : new Gauge(options);
  };
  METRIC_DEFINITIONS.forEach(add);
  const own = new Set<string>();
  return {
    contentType: registry.contentType,
    text: () => {
      for (const { name } of source.view().workers.flatMap(({ measured }) => measured)) {
        if (!own.has(name)) registry.registerMetric(new UserMetric(name, source) as never);
        own.add(name);
      }
      return registry.metrics();
    },
  };
}
