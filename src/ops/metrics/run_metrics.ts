import { VERSION } from "../../core/version.ts";
import {
  counter,
  gauge,
  known,
  type MetricDefinition,
  ofWorkers,
  type Sample,
} from "./definition.ts";

/** Metrics of the run as a whole, and of its processes. */
export const RUN_METRICS: readonly MetricDefinition[] = [
  gauge("info", "The version that runs.", ["version"], () => [[1, { version: VERSION }]]),
  {
    kind: "gauge",
    name: "process_start_time_seconds", // the name that all clients of Prometheus give it
    help: "When the command was started, in seconds since 1970.",
    labels: [],
    read: () => [[performance.timeOrigin / 1_000]],
  },
  gauge(
    "running",
    "1 while the flow runs, 0 while it is started, stopped or started again.",
    [],
    ({ phase }) => [[phase === "running" ? 1 : 0]],
  ),
  counter(
    "restarts_total",
    "How often the run was started again after a failure.",
    [],
    ({ restarts }) => [[restarts]],
  ),
  counter(
    "step_restarts_total",
    "How often the run was started again after an error of a step.",
    ["step"],
    ({ stepRestarts }) => stepRestarts.map(({ step, count }): Sample => [count, { step }]),
  ),
  gauge("workers", "How many workers the run has.", [], ({ workers }) => [[workers.length]]),
  gauge(
    "worker_unanswered",
    "Questions in a row that a worker has not answered; it is asked once a second.",
    ["worker"],
    (view) => ofWorkers(view, ({ unanswered }) => [[unanswered]]),
  ),
  memory("worker_resident_bytes", "rss", "Resident memory of a worker's process."),
  memory("worker_heap_bytes", "heapUsed", "JavaScript heap in use in a worker's process."),
];

function memory(name: string, field: "rss" | "heapUsed", help: string): MetricDefinition {
  const read = (worker: { readonly memory: { readonly [_ in typeof field]: number } | null }) =>
    known(worker.memory?.[field]);
  return gauge(name, help, ["worker"], (view) => ofWorkers(view, read));
}
