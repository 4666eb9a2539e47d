/**
 * The metrics of users' own in a flow, on one worker.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import type { StepId } from "../core/ids.ts";
import { requireOptions } from "../core/options.ts";
import { preview } from "../core/preview.ts";
import type { MeasuredMetric } from "./measured.ts";
import {
  type Kind,
  type MetricForm,
  OwnCounter,
  OwnGauge,
  OwnHistogram,
  type OwnMetric,
} from "./own_metric.ts";
import type { Counter, Gauge, Histogram, HistogramOptions, Meter, MetricOptions } from "./meter.ts";

const USUAL_BUCKETS: readonly number[] = Object.freeze(
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
);

/** The most sets of labels of all metrics together, on a worker: it tells them all the time. */
const MOST_SERIES = 10_000;

/** Labels that every value has, or that Prometheus uses itself. */
const TAKEN_LABELS: readonly string[] = ["flow", "step", "worker", "le", "quantile"];

/** All metrics of a flow. */
export class FlowMeters {
  readonly #meters = new Map<StepId, StepMeter>();
  readonly #forms = new Map<string, { readonly form: MetricForm; readonly step: StepId }>();
  readonly #warnings: string[] = [];
  #series = 0; // sets of labels that are kept
  #warn: ((text: string) => void) | null = null;
  #onRecord: ((metric: OwnHistogram, value: number, labels: readonly string[]) => void) | null =
    null;

  /** The meter of a step. */
  of(step: StepId): Meter {
    let meter = this.#meters.get(step);
    if (meter === undefined) this.#meters.set(step, meter = new StepMeter(step, this));
    return meter;
  }

  /** All values as they are now. */
  read(): MeasuredMetric[] {
    return [...this.#meters.values()].flatMap((meter) => meter.read());
  }

  /** Accepts warnings, also those that there were before. */
  set warn(warn: (text: string) => void) {
    this.#warn = warn;
    for (const text of this.#warnings.splice(0)) warn(text);
  }

  /** Is told of each value that a histogram gets, where each is needed. */
  set onRecord(on: (metric: OwnHistogram, value: number, labels: readonly string[]) => void) {
    this.#onRecord = on;
  }

  /** Whether there is room for one more set of labels, which is then taken. */
  addSeries(): boolean {
    if (this.#series >= MOST_SERIES) return false;
    this.#series++;
    return true;
  }

  /** A metric has more sets of labels than it keeps: `most` itself, or too many with all others. */
  overflown({ step, form: { name } }: OwnMetric, most: number | null): void {
    const who = most === null
      ? `with metric "${name}" of step "${step}", the flow`
      : `metric "${name}" of step "${step}"`;
    const text = `${who} has more than ${
      counted(most ?? MOST_SERIES, "set")
    } of labels: further ones count as "other". Use labels with fewer values, and no ids of items`;
    if (this.#warn === null) this.#warnings.push(text);
    else this.#warn(text);
  }

  /** A histogram has got a value. */
  recorded(metric: OwnHistogram, value: number, labels: readonly string[]): void {
    this.#onRecord?.(metric, value, labels);
  }

  /**
   * Notes what a name is, the first time.
   *
   * @throws {Error} If it is something else already.
   */
  claim(step: StepId, form: MetricForm): void {
    const { name } = form;
    const first = this.#forms.get(name);
    if (first === undefined) this.#forms.set(name, { form, step });
    else if (shown(first.form) !== shown(form)) {
      throw new Error(
        `metric "${name}" of step "${step}" is ${
          shown(form)
        }, but step "${first.step}" has it as ` +
          `${shown(first.form)}: give one of them another name`,
      );
    }
  }

  /** What a name is on any step; `undefined` for a new one. */
  formOf(name: string): MetricForm | undefined {
    return this.#forms.get(name)?.form;
  }
}

class StepMeter implements Meter {
  readonly step: StepId;
  readonly #flow: FlowMeters;
  readonly #metrics = new Map<string, OwnMetric>();

  constructor(step: StepId, flow: FlowMeters) {
    this.step = step;
    this.#flow = flow;
  }

  counter(name: string, options?: MetricOptions): Counter {
    return this.#metric(
      "counter",
      name,
      options,
      (form) => new OwnCounter(this.step, form, this.#flow),
    );
  }

  gauge(name: string, options?: MetricOptions): Gauge {
    return this.#metric(
      "gauge",
      name,
      options,
      (form) => new OwnGauge(this.step, form, this.#flow),
    );
  }

  histogram(name: string, options?: HistogramOptions): Histogram {
    return this.#metric(
      "histogram",
      name,
      options,
      (form) => new OwnHistogram(this.step, form, this.#flow),
    );
  }

  read(): MeasuredMetric[] {
    return [...this.#metrics.values()].map((metric) => metric.read());
  }

  #metric<M extends OwnMetric>(
    kind: Kind,
    name: string,
    options: HistogramOptions | undefined,
    make: (form: MetricForm) => M,
  ): M {
    const before = this.#metrics.get(name);
    if (before !== undefined && options === undefined && before.form.kind === kind) {
      return before as M;
    }
    const known = options === undefined ? this.#flow.formOf(name) : undefined;
    const form = known?.kind === kind ? known : this.#formOf(kind, name, options ?? {});
    this.#flow.claim(this.step, form);
    if (before !== undefined) return before as M;
    const metric = make(form);
    this.#metrics.set(name, metric);
    return metric;
  }

  #formOf(kind: Kind, name: string, options: HistogramOptions): MetricForm {
    const where = `${kind} ${preview(name)} of step "${this.step}"`;
    const allowed = kind === "histogram" ? ["help", "labels", "buckets"] : ["help", "labels"];
    requireOptions(where, options, allowed as (keyof HistogramOptions)[]);
    const { help = "", labels = [], buckets = kind === "histogram" ? USUAL_BUCKETS : [] } = options;
    requireName(where, kind, name);
    if (typeof help !== "string") throw new TypeError(`${where}: help must be text`);
    for (const label of labels) requireLabel(where, label);
    if (new Set(labels).size < labels.length) {
      throw new TypeError(`${where} has a label twice: ${labels.join(", ")}`);
    }
    const ascend = buckets.every((bound, i) =>
      Number.isFinite(bound) && (i === 0 || bound > buckets[i - 1])
    );
    if (!ascend || (kind === "histogram" && buckets.length === 0)) {
      throw new RangeError(
        `${where}: buckets must be finite numbers that ascend; got ${preview(buckets)}`,
      );
    }
    return { kind, name, help, labels: [...labels], buckets: [...buckets] };
  }
}

function requireName(where: string, kind: Kind, name: unknown): void {
  if (typeof name !== "string" || !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
    throw new TypeError(
      `${where}: a name has letters, digits and "_", and does not begin with a digit`,
    );
  }
  if (kind === "counter" && !name.endsWith("_total")) {
    throw new TypeError(`${where}: a counter's name ends in "_total"; call it "${name}_total"`);
  }
  const ending = /_(total|bucket|sum|count)$/.exec(name)?.[0];
  if (kind !== "counter" && ending !== undefined) {
    throw new TypeError(`${where}: no name of a ${kind} ends in "${ending}"; leave that out`);
  }
}

function requireLabel(where: string, label: unknown): void {
  if (typeof label !== "string" || !/^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(label)) {
    throw new TypeError(
      `${where}: a label has letters, digits and "_", and begins neither with a digit nor with ` +
        `"__"; got ${preview(label)}`,
    );
  }
  if (TAKEN_LABELS.includes(label)) {
    throw new TypeError(`${where}: the label "${label}" is taken; give yours another name`);
  }
}

function shown({ kind, labels, buckets }: MetricForm): string {
  const withLabels = labels.length === 0 ? "no labels" : `labels ${labels.join(", ")}`;
  const withBuckets = buckets.length === 0 ? "" : ` and buckets ${buckets.join(", ")}`;
  return `a ${kind} with ${withLabels}${withBuckets}`;
}
