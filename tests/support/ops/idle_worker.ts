import type { RunPast, WorkerView } from "../../../src/ops/run_view.ts";
import { NO_READINGS } from "../../../src/runtime/worker_readings.ts";

/** A worker that has not told anything yet. */
export const IDLE_WORKER: WorkerView = {
  unanswered: 0,
  steps: [],
  memory: null,
  measured: [],
  ...NO_READINGS,
};

/** The past of a run in which nothing has happened. */
export const NO_PAST: RunPast = {
  outcome: null,
  epochs: [],
  lines: [],
  errors: [],
  waitsForChange: false,
};
