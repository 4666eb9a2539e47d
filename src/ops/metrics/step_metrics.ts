import type { RunView, StageView } from "../run_view.ts";
import {
  counter,
  gauge,
  known,
  type MetricDefinition,
  ofWorkers,
  type Sample,
} from "./definition.ts";

/** Metrics of steps, and of the stages that they run in. */
export const STEP_METRICS: readonly MetricDefinition[] = [
  items("in", "Items that went into a step, since the run was started."),
  items("out", "Items that went out of a step, since the run was started."),
  counter(
    "late_values_total",
    "Values that came after all their windows had closed.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ steps }) =>
          steps.filter(({ kind }) => kind === "late").map(({ stepId, out }): Sample => [out, {
            step: stepId.replace(/\.late$/, ""),
          }]),
      ),
  ),
  ofStage(
    "counter",
    "stage_busy_seconds_total",
    "Time that a stage was at work, since the run was started.",
    ({ busyMs }) => busyMs / 1_000,
  ),
  ofStage(
    "counter",
    "stage_backpressured_seconds_total",
    "Time that a full queue downstream kept a stage from its work, since the run was started.",
    ({ backpressuredMs }) => backpressuredMs / 1_000,
  ),
  ofStage(
    "counter",
    "stage_idle_seconds_total",
    "Time that a stage was neither busy nor backpressured, since the run was started.",
    ({ idleMs }) => idleMs / 1_000,
  ),
  ofStage(
    "gauge",
    "stage_queued_items",
    "Items that wait in front of a stage or an output.",
    ({ queued }) => queued,
  ),
  gauge(
    "state_keys",
    "Keys of a stateful step.",
    ["step", "worker"],
    (view) => ofWorkers(view, ({ state }) => state.map(({ step, keys }) => [keys, { step }])),
  ),
  gauge(
    "state_bytes",
    "About how many bytes the states of a step take in snapshots.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ state }) => state.flatMap(({ step, bytes }) => known(bytes, { step })),
      ),
  ),
  gauge(
    "open_windows",
    "Windows of a step that are open, over all keys.",
    ["step", "worker"],
    (view) =>
      ofWorkers(view, ({ openWindows }) => openWindows.map(({ step, count }) => [count, { step }])),
  ),
  gauge(
    "event_time_seconds",
    "How far event time has come at a window step, in seconds since 1970.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ eventTimes }) => eventTimes.map(({ step, time }): Sample => [time / 1_000, { step }]),
      ),
  ),
  gauge(
    "event_time_lag_seconds",
    "How long ago the event time of a window step is, by the worker's clock.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ eventTimes }) =>
          eventTimes.map(({ step, behindMs }): Sample => [behindMs / 1_000, { step }]),
      ),
  ),
  gauge(
    "event_time_held",
    "1 for the source that holds back the event time of a window step.",
    ["step", "source", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ eventTimes }) =>
          eventTimes.filter(({ heldBy }) => heldBy !== null).map(({ step, heldBy }): Sample => [1, {
            step,
            source: heldBy!,
          }]),
      ),
  ),
];

function items(side: "in" | "out", help: string): MetricDefinition {
  return counter(
    `step_items_${side}_total`,
    help,
    ["step", "kind", "worker"],
    (view) => {
      // Workers also count the parts that a step is made of, such as the answers of a branch.
      const kinds = new Map(view.graph?.steps.map(({ id, kind }) => [id, kind]));
      return ofWorkers(
        view,
        ({ steps }) =>
          steps.flatMap((step): Sample[] => {
            const kind = kinds.get(step.stepId);
            return kind === undefined ? [] : [[step[side], { step: step.stepId, kind }]];
          }),
      );
    },
  );
}

function ofStage(
  kind: MetricDefinition["kind"],
  name: string,
  help: string,
  read: (stage: StageView) => number,
): MetricDefinition {
  const make = kind === "counter" ? counter : gauge;
  return make(name, help, ["stage", "step", "worker"], (view) => {
    const firsts = firstSteps(view);
    return ofWorkers(view, ({ stages }) =>
      stages.map((stage): Sample => [read(stage), {
        stage: String(stage.stage),
        step: firsts.get(stage.stage) ?? "",
      }]));
  });
}

/** The first step of each stage: people know a stage by it. */
function firstSteps({ graph }: RunView): Map<number, string> {
  return new Map(graph?.steps.toReversed().map(({ id, stage }) => [stage, id]));
}
