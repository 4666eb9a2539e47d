/**
 * Records the metrics of a run with OpenTelemetry.
 *
 * @module
 */
import type { Counter, Gauge, Meter } from "@opentelemetry/api";
import { type Labels, METRIC_DEFINITIONS } from "../metric_definitions.ts";
import type { MetricSample } from "./otlp_samples.ts";

/**
 * Metrics that are true of the moment: once a value is not told any more, it is zero. Others stay
 * as they were told last.
 */
const ZERO_WHEN_GONE: readonly string[] = [
  "millrace_waiting_seconds",
  "millrace_input_lag_items",
  "millrace_input_lag_items_max",
  "millrace_input_lag_seconds",
  "millrace_input_lag_age_seconds",
  "millrace_open_transactions",
  "millrace_open_transaction_age_seconds",
  "millrace_tasks",
  "millrace_task_restore_remaining_records",
  "millrace_task_input_lag_records",
  "millrace_task_shuffle_lag_records",
];

interface Known {
  readonly instrument: Counter | Gauge;
  readonly isCounter: boolean;
  /** The values that were told last, by labels. */
  last: Map<string, readonly [labels: Labels, value: number]>;
}

/**
 * Records values as they are told. A counter gets what has been added since it was told last.
 * Instruments that observe would be simpler, but Deno 2.9 does not ask them at its last export.
 */
export class MetricRecorder {
  readonly #meter: Meter;
  readonly #metrics = new Map<string, Known>();
  #run = 0;

  /** Records with `meter`. */
  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Records all values of a moment. `run` is another number once counters begin at zero again. */
  record(run: number, samples: readonly MetricSample[]): void {
    const byName = Map.groupBy(samples, ([name]) => name);
    for (const name of byName.keys()) this.#known(name);
    for (const [name, known] of this.#metrics) {
      // A counter that is not per run, such as that of restarts, goes on.
      const isNew = run !== this.#run && !name.endsWith("restarts_total");
      this.#recordOne(known, ZERO_WHEN_GONE.includes(name), isNew, byName.get(name) ?? []);
    }
    this.#run = run;
  }

  #recordOne(
    known: Known,
    isZeroWhenGone: boolean,
    isNew: boolean,
    samples: readonly MetricSample[],
  ): void {
    const { instrument, isCounter, last: before } = known;
    const told: Known["last"] = new Map();
    for (const [, labels, value] of samples) {
      const key = JSON.stringify(labels);
      told.set(key, [labels, value]);
      if (!isCounter) (instrument as Gauge).record(value, labels);
      else {
        const from = isNew ? 0 : before.get(key)?.[1] ?? 0;
        if (value > from) (instrument as Counter).add(value - from, labels);
      }
    }
    for (const [key, entry] of before) {
      if (told.has(key)) continue;
      if (isCounter) {
        if (!isNew) told.set(key, entry); // it may come back, and has been counted
      } else if (isZeroWhenGone) (instrument as Gauge).record(0, entry[0]);
    }
    known.last = told;
  }

  #known(name: string): void {
    if (this.#metrics.has(name)) return;
    const named = (name: string) => METRIC_DEFINITIONS.find((each) => each.name === name);
    const definition = named(name) ?? named(name.replace(/_max$/, ""));
    const isCounter = definition?.kind === "counter";
    const options = { description: definition?.help ?? "" };
    const instrument = isCounter
      ? this.#meter.createCounter(name, options)
      : this.#meter.createGauge(name, options);
    this.#metrics.set(name, { instrument, isCounter, last: new Map() });
  }
}
