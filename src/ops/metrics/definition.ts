/**
 * What a metric is.
 *
 * @module
 */
import type { RunView } from "../run_view.ts";

/** The labels of a value. */
export type Labels = Readonly<Record<string, string>>;

/** A value, and the labels that tell it from others of its metric. */
export type Sample = readonly [value: number, labels?: Labels];

/** A metric. */
export interface MetricDefinition {
  /** Whether it only grows within a run, or goes up and down. */
  readonly kind: "counter" | "gauge";
  /** The whole name. */
  readonly name: string;
  /** What it is, in a sentence. */
  readonly help: string;
  /** The names of its labels besides `flow`. */
  readonly labels: readonly string[];
  /**
   * Returns the values in a view. `now` is the time of the clock that the view's times are of, in
   * milliseconds.
   */
  read(view: RunView, now: number): Iterable<Sample>;
}

/** Makes a metric that goes up and down. `name` is without `millrace_`. */
export function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: MetricDefinition["read"],
): MetricDefinition {
  return { kind: "gauge", name: `millrace_${name}`, help, labels, read };
}

/** Makes a metric that only grows within a run. */
export function counter(
  name: string,
  help: string,
  labels: readonly string[],
  read: MetricDefinition["read"],
): MetricDefinition {
  return { kind: "counter", name: `millrace_${name}`, help, labels, read };
}

/** The sample of a value that may not be known; without one, the metric lacks it. */
export function known(value: number | null | undefined, labels?: Labels): Sample[] {
  if (value === null || value === undefined) return [];
  return [labels === undefined ? [value] : [value, labels]];
}

/** The sample in seconds of a time in milliseconds that may not be known. */
export function knownSeconds(ms: number | null | undefined, labels?: Labels): Sample[] {
  return known(ms === null || ms === undefined ? ms : ms / 1_000, labels);
}

/** The samples of all workers, each with its worker's label. */
export function ofWorkers(
  { workers }: RunView,
  read: (worker: RunView["workers"][number]) => Iterable<Sample>,
): Sample[] {
  return workers.flatMap((worker, index) =>
    [...read(worker)].map(([value, labels]): Sample => [value, {
      ...labels,
      worker: String(index),
    }])
  );
}
