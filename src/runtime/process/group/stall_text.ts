/**
 * What is known of a worker that gets no further.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../../../core/ids.ts";
import { rangesOf, type Tasks } from "../../../core/task_id.ts";
import type { FlowDescription } from "../../flow_description.ts";
import type { TaskWorkerStatus } from "./messages.ts";

/** A worker tells how it stands every second. One that is silent for this long is blocked. */
const BLOCKED_MS = 5_000;

/** What is known. */
export interface Stall {
  readonly worker: WorkerIndex;
  /** How long it got no further, in milliseconds. */
  readonly stallMs: number;
  /** How long it has said nothing, in milliseconds. */
  readonly silentMs: number;
  /** What it runs. */
  readonly tasks: Tasks;
  /** What it said last; `null` if nothing. */
  readonly status: Pick<TaskWorkerStatus, "readings" | "tasks"> | null;
  /** `null` before the flow is loaded. */
  readonly flow: Pick<FlowDescription, "steps"> | null;
}

/** Returns the error's text: where the worker stands still, and the cure. */
export function stallText({ worker, stallMs, silentMs, tasks, status, flow }: Stall): string {
  const restoring = status?.tasks.filter(({ phase }) => phase === "restoring") ?? [];
  const steps = queuedSteps(status, flow);
  const what = silentMs >= BLOCKED_MS
    ? `it has not answered for ${seconds(silentMs)}, so the code of a step does not return`
    : restoring.length > 0
    ? `it reads the state of ${rangesOf(restoring.map(({ task }) => task))}, and gets nothing`
    : "it still answers, so a step or an output waits for a call that does not end";
  const queued = steps.length === 0
    ? ""
    : `; items wait at step ${steps.map((step) => `"${step}"`).join(", ")}`;
  return `worker ${worker} got no further for ${seconds(stallMs)}, with tasks ${
    rangesOf(tasks)
  }: ` +
    `${what}${queued}. Have the step end sooner, or give a longer --stall-timeout`;
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1_000)} s`;
}

/** The steps in front of which items waited when the worker told so last. */
function queuedSteps(status: Stall["status"], flow: Stall["flow"]): StepId[] {
  const stages = status?.readings.stages.filter(({ queued }) => queued > 0) ?? [];
  return stages.flatMap(({ stage }) => flow?.steps.find((step) => step.stage === stage)?.id ?? []);
}
