/**
 * A run as Prometheus metrics.
 *
 * @module
 */
import { VERSION } from "../core/version.ts";
import type { RunSource, RunView } from "./run_view.ts";

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
  type Labels = Record<string, string>;
  type Sample = readonly [value: number, labels?: Labels];
  const define = (
    kind: "counter" | "gauge",
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (view: RunView) => Iterable<Sample>,
  ) => {
    const collect = () => {
      metric.reset();
      const view = source.view();
      const flow: Labels = view.flow === null ? {} : { flow: view.flow };
      for (const [value, labels] of read(view)) metric.inc({ ...flow, ...labels }, value);
    };
    const options = { name: `millrace_${name}`, help, labelNames: ["flow", ...labelNames] };
    const metric = kind === "counter"
      ? new Counter({ ...options, registers, collect })
      : new Gauge({ ...options, registers, collect });
  };

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
  const ofEpoch = (
    name: string,
    help: string,
    read: (epoch: NonNullable<RunView["epoch"]>) => number,
  ) => define("gauge", name, help, [], ({ epoch }) => epoch === null ? [] : [[read(epoch)]]);
  ofEpoch("epoch", "The number of the last epoch that was committed.", ({ epoch }) => epoch);
  ofEpoch(
    "epoch_age_seconds",
    "Time since the last epoch was committed.",
    ({ at }) => (source.now() - at) / 1_000,
  );
  ofEpoch(
    "epoch_duration_seconds",
    "How long the last epoch took to end, from when it was to end until it was committed.",
    ({ ms }) => ms / 1_000,
  );
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
    ({ waiting }) =>
      waiting === null ? [] : waiting.what.map((what) => [
        (source.now() - waiting.since) / 1_000,
        { for: what },
      ]),
  );
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

const MEMORY = [
  ["worker_resident_bytes", "rss", "Resident memory of a worker's process."],
  ["worker_heap_bytes", "heapUsed", "JavaScript heap in use in a worker's process."],
] as const;

function stepsOf({ workers }: RunView) {
  return workers.flatMap(({ steps }, worker) =>
    steps.map((step) => ({ step, worker: String(worker) }))
  );
}
