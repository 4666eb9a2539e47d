/**
 * Values that users measure in their own code: what is counted, and how it is read.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";

/**
 * The values of labels, by name. A label that is left out is empty.
 *
 * @typeParam L The names.
 */
export type LabelValues<L extends string = string> = Readonly<
  Partial<Record<L, string | number | boolean>>
>;

/**
 * What a metric is.
 *
 * @typeParam L The names of its labels.
 */
export interface MetricOptions<out L extends string = string> {
  /**
   * What it is, in a sentence, for people who look at it.
   *
   * @default {""}
   */
  readonly help?: string;
  /**
   * The names of its labels, which tell its values from each other. Use labels with few values:
   * each set of them is a value of its own. `flow`, `step` and `worker` are always there.
   *
   * @default {[]}
   */
  readonly labels?: readonly L[];
}

/**
 * What a histogram is.
 *
 * @typeParam L The names of its labels.
 */
export interface HistogramOptions<out L extends string = string> extends MetricOptions<L> {
  /**
   * The upper bounds of its buckets, ascending. What is above the last is in a bucket of its own.
   *
   * @default {from 0.005 to 10, as for seconds}
   */
  readonly buckets?: readonly number[];
}

/**
 * Only grows.
 *
 * @typeParam L The names of its labels.
 */
export interface Counter<in L extends string = string> {
  /**
   * Adds to it. That is a number addition, and with labels a look into a map before it.
   *
   * @throws {RangeError} If `by` is negative or not finite.
   * @throws {TypeError} If it has no such label.
   */
  add(by: number, labels?: LabelValues<L>): void;
  /** Returns what it has come to on this worker, for tests; 0 before the first `add`. */
  value(labels?: LabelValues<L>): number;
}

/**
 * Goes up and down.
 *
 * @typeParam L The names of its labels.
 */
export interface Gauge<in L extends string = string> {
  /**
   * Sets it.
   *
   * @throws {RangeError} If `value` is not finite.
   * @throws {TypeError} If it has no such label.
   */
  set(value: number, labels?: LabelValues<L>): void;
  /** Returns what it was set to last on this worker, for tests; `null` before. */
  value(labels?: LabelValues<L>): number | null;
}

/**
 * Counts values by how large they are.
 *
 * @typeParam L The names of its labels.
 */
export interface Histogram<in L extends string = string> {
  /**
   * Counts a value.
   *
   * @throws {RangeError} If it is not finite.
   * @throws {TypeError} If it has no such label.
   */
  record(value: number, labels?: LabelValues<L>): void;
  /** Returns what was recorded on this worker, for tests: how many values, and their sum. */
  value(labels?: LabelValues<L>): { readonly count: number; readonly sum: number };
}

/**
 * Measures what a step does, in counters, gauges and histograms of your own. Workers tell their
 * values a few times a second: nothing is sent for an item. `/metrics` shows them with
 * `millrace_user_` before their names, and they are exported by OTLP.
 *
 * A name is one metric in the whole flow: steps that use it must agree on its kind, labels and
 * buckets. To ask for a metric again, by its name alone, returns the same one. A metric keeps 1,000
 * sets of labels on each worker, and all metrics together 10,000. What comes with further ones
 * counts as `other`, with one warning. A label's value has at most 200 characters; of a longer one,
 * the beginning counts.
 *
 * @example A function that counts, and a test that reads it
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
 *
 * const flow = new Dataflow("payments");
 * const refused = flow.meter("check").counter("payments_refused_total", {
 *   help: "Payments that were refused.",
 *   labels: ["reason"],
 * });
 * const accepted: number[] = [];
 * flow.input("payments", new TestingInputConfig([5, 2_000, -1]))
 *   .filter((amount) => {
 *     const reason = amount < 0 ? "negative" : amount > 1_000 ? "limit" : null;
 *     if (reason !== null) refused.add(1, { reason });
 *     return reason === null;
 *   }, { id: "check" })
 *   .capture(new TestingOutputConfig(accepted));
 * await run(flow);
 * assertEquals(accepted, [5]);
 * assertEquals(refused.value({ reason: "limit" }), 1);
 * ```
 */
export interface Meter {
  /** The step that it is of: the label `step`. */
  readonly step: StepId;
  /**
   * Returns a counter of this step, a new one or the one of this name.
   *
   * @param name Letters, digits and `_`, and `_total` at its end.
   * @throws {TypeError} If the name or a label is not valid in Prometheus, or an option is unknown.
   * @throws {Error} If the name is another metric already.
   */
  counter<L extends string = string>(name: string, options?: MetricOptions<L>): Counter<L>;
  /**
   * Returns a gauge of this step, a new one or the one of this name.
   *
   * @param name Letters, digits and `_`; with its unit, such as `cache_bytes`.
   * @throws {TypeError} If the name or a label is not valid in Prometheus, or an option is unknown.
   * @throws {Error} If the name is another metric already.
   */
  gauge<L extends string = string>(name: string, options?: MetricOptions<L>): Gauge<L>;
  /**
   * Returns a histogram of this step, a new one or the one of this name.
   *
   * @param name Letters, digits and `_`; with its unit, such as `lookup_seconds`.
   * @throws {TypeError} If the name or a label is not valid in Prometheus, or an option is unknown.
   * @throws {RangeError} If the buckets do not ascend.
   * @throws {Error} If the name is another metric already.
   */
  histogram<L extends string = string>(name: string, options?: HistogramOptions<L>): Histogram<L>;
}
