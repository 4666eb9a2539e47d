/**
 * The metrics of a run as OTLP gets them.
 *
 * @module
 */
import {
  type Labels,
  METRIC_DEFINITIONS,
  type MetricDefinition,
  type Sample,
} from "../metric_definitions.ts";
import type { RunView } from "../run_view.ts";

/** A value of a metric: its name, its labels, and the value. */
export type MetricSample = readonly [name: string, labels: Labels, value: number];

/**
 * Returns the values of all metrics. They are those of `/metrics`, but for partitions: Deno keeps
 * 2,000 sets of labels for a metric, and a flow may read more partitions. So those of a topic are
 * one value, and where it is a number of items, the partition with most is another. Which source
 * holds back event time is left out.
 *
 * @param now The time of the clock that the view's times are of, in milliseconds.
 */
export function otlpSamples(
  view: RunView,
  now: number,
  definitions: readonly MetricDefinition[] = METRIC_DEFINITIONS,
): MetricSample[] {
  const flow: Labels = view.flow === null ? {} : { flow: view.flow };
  return definitions.flatMap(({ name, labels, read }) => {
    if (labels.includes("source")) return [];
    const samples = [...read(view, now)];
    const all = labels.includes("partition") ? byTopic(name, samples) : named(name, samples);
    return all.map(([name, labels, value]): MetricSample => [name, { ...flow, ...labels }, value]);
  });
}

function named(name: string, samples: readonly Sample[]): MetricSample[] {
  return samples.map(([value, labels = {}]) => [name, labels, value]);
}

/** The partitions of all workers together. Of times, only the longest means something. */
function byTopic(name: string, samples: readonly Sample[]): MetricSample[] {
  const topics = new Map<string, { labels: Labels; sum: number; most: number }>();
  for (const [value, { partition = "", worker: _, ...others } = {}] of samples) {
    const labels = { ...others, topic: partition.replace(/-\d+$/, "") };
    const key = JSON.stringify(labels);
    const { sum, most } = topics.get(key) ?? { sum: 0, most: -Infinity };
    topics.set(key, { labels, sum: sum + value, most: Math.max(most, value) });
  }
  const isTime = name.endsWith("_seconds");
  return [...topics.values()].flatMap(({ labels, sum, most }): MetricSample[] =>
    isTime ? [[name, labels, most]] : [[name, labels, sum], [`${name}_max`, labels, most]]
  );
}
