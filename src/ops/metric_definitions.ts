/**
 * The metrics of a run: their names, what they mean, and how they are read. All that export them,
 * to Prometheus or by OTLP, read them here, so that they show the same.
 *
 * @module
 */
import { VERSION } from "../core/version.ts";
import type { RunView } from "./run_view.ts";

/** The labels of a value. */
export type Labels = Readonly<Record<string, string>>;

/** A value, and the labels that tell it from others of its metric. */
export type Sample = readonly [value: number, labels?: Labels];

/** A metric. */
export interface MetricDefinition {
  /** Whether it only grows within a run, or goes up and down. */
  readonly kind: "counter" | "gauge";
  /** The name, with `millrace_` before it. */
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

const definitions: MetricDefinition[] = [];

/** All metrics of the engine, in the order in which they are shown. */
export const METRIC_DEFINITIONS: readonly MetricDefinition[] = definitions;

function define(
  kind: MetricDefinition["kind"],
  name: string,
  help: string,
  labels: readonly string[],
  read: MetricDefinition["read"],
): void {
  definitions.push({ kind, name: `millrace_${name}`, help, labels, read });
}

define("gauge", "info", "The version that runs.", ["version"], () => [[1, { version: VERSION }]]);
define(
  "gauge",
  "running",
  "1 while the flow runs, 0 while it is started, stopped or started again.",
  [],
  ({ phase }) => [[phase === "running" ? 1 : 0]],
);
define("gauge", "workers", "How many workers the run has.", [], ({ workers }) => [[
  workers.length,
]]);
define(
  "gauge",
  "worker_unanswered",
  "Questions in a row that a worker has not answered; it is asked once a second.",
  ["worker"],
  ({ workers }) =>
    workers.map(({ unanswered }, worker) => [unanswered, { worker: String(worker) }]),
);
define(
  "counter",
  "restarts_total",
  "How often the run was started again after a failure.",
  [],
  ({ restarts }) => [[restarts]],
);
for (const side of ["in", "out"] as const) {
  define(
    "counter",
    `step_items_${side}_total`,
    `Items that went ${side === "in" ? "into" : "out of"} a step, since the run was started.`,
    ["step", "kind", "worker"],
    (view) =>
      stepsOf(view).map(({ step, worker }) => [step[side], {
        step: step.stepId,
        kind: step.kind,
        worker,
      }]),
  );
}
define(
  "counter",
  "late_values_total",
  "Values that came after all their windows had closed.",
  ["step", "worker"],
  (view) =>
    stepsOf(view).filter(({ step }) => step.kind === "late").map(({ step, worker }) => [
      step.out,
      { step: step.stepId.replace(/\.late$/, ""), worker },
    ]),
);
define(
  "gauge",
  "input_lag_items",
  "Items of a partition that have not been read, as far as is known.",
  ["step", "partition", "worker"],
  ({ workers }) =>
    workers.flatMap(({ lag }, worker) =>
      lag.map(({ step, partition, items }) => [items, {
        step,
        partition,
        worker: String(worker),
      }])
    ),
);
define(
  "gauge",
  "event_time_seconds",
  "How far event time has come at a window step, in seconds since 1970.",
  ["step", "worker"],
  ({ workers }) =>
    workers.flatMap(({ eventTimes }, worker) =>
      eventTimes.map(({ step, time }) => [time / 1_000, { step, worker: String(worker) }])
    ),
);
define(
  "gauge",
  "event_time_held",
  "1 for the source that holds back the event time of a window step.",
  ["step", "source", "worker"],
  ({ workers }) =>
    workers.flatMap(({ eventTimes }, worker) =>
      eventTimes.filter(({ heldBy }) => heldBy !== null).map(({ step, heldBy }) => [1, {
        step,
        source: heldBy!,
        worker: String(worker),
      }])
    ),
);
function ofEpoch(
  name: string,
  help: string,
  read: (epoch: NonNullable<RunView["epoch"]>, now: number) => number,
): void {
  define("gauge", name, help, [], ({ epoch }, now) => epoch === null ? [] : [[read(epoch, now)]]);
}
ofEpoch("epoch", "The number of the last epoch that was committed.", ({ epoch }) => epoch);
ofEpoch(
  "epoch_age_seconds",
  "Time since the last epoch was committed.",
  ({ at }, now) => (now - at) / 1_000,
);
ofEpoch(
  "epoch_duration_seconds",
  "How long the last epoch took to end, from when it was to end until it was committed.",
  ({ ms }) => ms / 1_000,
);
const MEMORY = [
  ["worker_resident_bytes", "rss", "Resident memory of a worker's process."],
  ["worker_heap_bytes", "heapUsed", "JavaScript heap in use in a worker's process."],
] as const;

for (const [name, field, help] of MEMORY) {
  define(
    "gauge",
    name,
    help,
    ["worker"],
    ({ workers }) =>
      workers.flatMap(({ memory }, worker) =>
        memory === null ? [] : [[memory[field], { worker: String(worker) }] as const]
      ),
  );
}
define(
  "gauge",
  "waiting_seconds",
  "How long inputs and outputs have been without what they need, such as a broker.",
  ["for"],
  ({ waiting }, now) =>
    waiting === null ? [] : waiting.what.map((what) => [
      (now - waiting.since) / 1_000,
      { for: what },
    ]),
);

function stepsOf({ workers }: RunView) {
  return workers.flatMap(({ steps }, worker) =>
    steps.map((step) => ({ step, worker: String(worker) }))
  );
}
