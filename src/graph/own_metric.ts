/**
 * The counters, gauges and histograms of users' own.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import type { MeasuredMetric, MeasuredSeries } from "./measured.ts";
import type { Counter, Gauge, Histogram, LabelValues } from "./meter.ts";

/** What kind of metric it is. */
export type Kind = MeasuredMetric["kind"];

/** What a metric is, apart from its step and its values. */
export type MetricForm = Omit<MeasuredMetric, "step" | "series">;

/** The most sets of labels that a metric keeps on a worker. */
export const MOST_SERIES = 1_000;

/** The most characters of a label's value. */
const LONGEST_VALUE = 200;

/** What comes with further sets of labels has this as the value of each. */
const OTHER = "other";

/** Whom a metric tells. */
export interface MetricHost {
  /** Whether one more set of labels may be kept, beside those of all other metrics. */
  addSeries(): boolean;
  /** It has more sets of labels than it keeps; `most` is its own limit, if that is reached. */
  overflown(metric: OwnMetric, most: number | null): void;
  /** A histogram has got a value. */
  recorded(metric: OwnHistogram, value: number, labels: readonly string[]): void;
}

interface Series {
  readonly labels: readonly string[];
  value: number;
  readonly counts: number[];
}

/** A metric of a step: its values by labels. */
export abstract class OwnMetric {
  readonly step: StepId;
  readonly form: MetricForm;
  readonly #host: MetricHost;
  readonly #series = new Map<string, Series>();
  #unlabelled: Series | null = null;
  #hasOverflown = false;

  constructor(step: StepId, form: MetricForm, host: MetricHost) {
    this.step = step;
    this.form = form;
    this.#host = host;
  }

  /** All of it as it is now. */
  read(): MeasuredMetric {
    const series = [...this.#series.values()]
      .map(({ labels, value, counts }): MeasuredSeries => ({ labels, value, counts: [...counts] }));
    return { ...this.form, step: this.step, series };
  }

  protected get host(): MetricHost {
    return this.#host;
  }

  /** The value to change. */
  protected at(labels: LabelValues | undefined): Series {
    if (labels === undefined && this.#unlabelled !== null) return this.#unlabelled;
    const key = this.#keyOf(labels);
    return this.#series.get(key) ?? this.#added(key, labels);
  }

  /** The value if there is one. */
  protected found(labels: LabelValues | undefined): Series | undefined {
    this.#requireKnown(labels);
    return this.#series.get(this.#keyOf(labels));
  }

  /** A number that cannot be counted. */
  protected refuse(value: unknown, allowed: string): never {
    throw new RangeError(`${this.#name} takes ${allowed}; got ${preview(value)}`);
  }

  get #name(): string {
    return `${this.form.kind} "${this.form.name}" of step "${this.step}"`;
  }

  #keyOf(labels: LabelValues | undefined): string {
    const names = this.form.labels;
    if (labels === undefined) return "\0".repeat(Math.max(0, names.length - 1));
    if (names.length === 1) return labelText(labels[names[0]]);
    let key = "";
    for (let i = 0; i < names.length; i++) {
      const value = labelText(labels[names[i]]);
      key += value.includes("\0") ? value.replaceAll("\0", "") : value;
      if (i + 1 < names.length) key += "\0";
    }
    return key;
  }

  #added(key: string, labels: LabelValues | undefined): Series {
    this.#requireKnown(labels);
    const { labels: names, buckets, kind } = this.form;
    let values = names.map((name) => labelText(labels?.[name]));
    const isFull = this.#series.size >= MOST_SERIES;
    if (names.length > 0 && (isFull || !this.#host.addSeries())) {
      if (!this.#hasOverflown) this.#host.overflown(this, isFull ? MOST_SERIES : null);
      this.#hasOverflown = true;
      values = names.map(() => OTHER);
      key = values.join("\0");
      const other = this.#series.get(key);
      if (other !== undefined) return other;
    }
    const counts = kind === "histogram" ? Array.from({ length: buckets.length + 1 }, () => 0) : [];
    const series: Series = { labels: values, value: 0, counts };
    this.#series.set(key, series);
    if (labels === undefined) this.#unlabelled = series;
    return series;
  }

  #requireKnown(labels: LabelValues = {}): void {
    const { labels: names } = this.form;
    const unknown = Object.keys(labels).find((name) => !names.includes(name));
    if (unknown === undefined) return;
    const has = names.length === 0 ? "no labels" : `the labels ${names.join(", ")}`;
    throw new TypeError(
      `${this.#name} has ${has}, and not "${unknown}": name it where the ${this.form.kind} is made`,
    );
  }
}

function labelText(value: LabelValues[string]): string {
  const text = String(value ?? "");
  if (text.length <= LONGEST_VALUE) return text;
  return `${text.slice(0, LONGEST_VALUE - 1).toWellFormed()}…`;
}

/** A counter. */
export class OwnCounter extends OwnMetric implements Counter {
  add(by: number, labels?: LabelValues): void {
    if (!(by >= 0 && by < Infinity)) this.refuse(by, "numbers from 0 on");
    this.at(labels).value += by;
  }

  value(labels?: LabelValues): number {
    return this.found(labels)?.value ?? 0;
  }
}

/** A gauge. */
export class OwnGauge extends OwnMetric implements Gauge {
  set(value: number, labels?: LabelValues): void {
    if (!Number.isFinite(value)) this.refuse(value, "finite numbers");
    this.at(labels).value = value;
  }

  value(labels?: LabelValues): number | null {
    return this.found(labels)?.value ?? null;
  }
}

/** A histogram. */
export class OwnHistogram extends OwnMetric implements Histogram {
  record(value: number, labels?: LabelValues): void {
    if (!Number.isFinite(value)) this.refuse(value, "finite numbers");
    const series = this.at(labels);
    const { buckets } = this.form;
    let bucket = 0;
    while (bucket < buckets.length && value > buckets[bucket]) bucket++;
    series.counts[bucket]++;
    series.value += value;
    this.host.recorded(this, value, series.labels);
  }

  value(labels?: LabelValues): { count: number; sum: number } {
    const { counts = [], value = 0 } = this.found(labels) ?? {};
    return { count: counts.reduce((sum, count) => sum + count, 0), sum: value };
  }
}
