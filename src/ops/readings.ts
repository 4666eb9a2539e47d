/**
 * How fast a run is: what has changed between two moments.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { RunView, WorkerView } from "./run_view.ts";
import type { StageStatus } from "./status.ts";

/** A run at a moment. */
export interface Moment {
  /** In milliseconds of the run's clock. */
  readonly at: number;
  readonly view: RunView;
}

/** Items of a step on all workers. */
export interface StepItems {
  readonly in: number;
  readonly out: number;
  readonly late: number;
}

/** What has happened from one moment to another. Rates are in items a second. */
export interface Readings {
  /** Of each step, in the order of the graph. */
  readonly steps: readonly StepItems[];
  /** Of each worker. */
  readonly workers: readonly {
    readonly in: number;
    readonly work: number;
    readonly busy: number | null;
  }[];
  /** Of each stage, in the order of the graph. */
  readonly stages: readonly StageStatus[];
}

/** Returns what has happened from one moment to another; they may be the same. */
export function readingsOf(first: Moment, last: Moment): Readings {
  const ids = stepIdsOf(last.view);
  const [before, after] = [stepItemsOf(first.view), stepItemsOf(last.view)];
  const seconds = (last.at - first.at) / 1_000;
  const rate = (from: number, to: number) => seconds > 0 ? Math.max(0, (to - from) / seconds) : 0;
  const steps = ids.map((id) => {
    const [from, to] = [before.get(id) ?? NONE, after.get(id) ?? NONE];
    return {
      in: rate(from.in, to.in),
      out: rate(from.out, to.out),
      late: rate(from.late, to.late),
    };
  });
  const workers = last.view.workers.map((worker, index) => {
    const [from, to] = [first.view.workers[index] ?? null, worker];
    const [was, is] = [workOf(from), workOf(to)];
    return {
      in: rate(was.in, is.in),
      work: rate(was.work, is.work),
      busy: shares(stageTimes(from), stageTimes(to), null)?.busy ?? null,
    };
  });
  return { steps, workers, stages: stagesOf(first.view, last.view) };
}

/** Whether a run began between two moments: then its counts begin again too. */
export function hasBegunBetween({ view: first }: Moment, { view: last }: Moment): boolean {
  if (first.restarts !== last.restarts || first.workers.length > last.workers.length) return true;
  return first.workers.some((worker, index) =>
    workOf(last.workers[index]).work < workOf(worker).work
  );
}

/** Returns the items of each step, by its id. */
export function stepItemsOf({ workers }: RunView): ReadonlyMap<StepId, StepItems> {
  const items = new Map<StepId, { in: number; out: number; late: number }>();
  const of = (id: StepId) => {
    const known = items.get(id) ?? { in: 0, out: 0, late: 0 };
    items.set(id, known);
    return known;
  };
  for (const { steps } of workers) {
    for (const step of steps) {
      const known = of(step.stepId);
      known.in += step.in;
      known.out += step.kind === "capture" ? step.in : step.out;
      // The late values of a step have a line of their own.
      if (step.kind === "late") of(step.stepId.replace(/\.late$/, "")).late += step.out;
    }
  }
  return items;
}

/** Returns the numbers of a flow's stages, in the order of their first steps. */
export function stageNumbersOf({ graph }: RunView): number[] {
  return [...new Set(graph?.steps.map(({ stage }) => stage) ?? [])];
}

const NONE: StepItems = { in: 0, out: 0, late: 0 };

function stepIdsOf({ graph }: RunView): StepId[] {
  return graph?.steps.map(({ id }) => id) ?? [];
}

function workOf(worker: WorkerView | null): { in: number; work: number } {
  let [into, work] = [0, 0];
  for (const step of worker?.steps ?? []) {
    if (step.kind === "input") into += step.out;
    work += step.kind === "input" ? step.out : step.in;
  }
  return { in: into, work };
}

function stageTimes(worker: WorkerView | null): WorkerView["stages"] {
  return worker?.stages ?? [];
}

interface Shares {
  readonly busy: number;
  readonly backpressured: number;
}

/**
 * Returns what the time between was spent on. `stage` is a stage; with `null`, all stages together
 * are looked at, which one thread runs in turns.
 */
function shares(
  from: WorkerView["stages"],
  to: WorkerView["stages"],
  stage: number | null,
): Shares | null {
  let [busy, backpressured, whole] = [0, 0, 0];
  for (const now of to) {
    if (stage !== null && now.stage !== stage) continue;
    const was = from.find((each) => each.stage === now.stage) ?? ZERO;
    const all = now.busyMs + now.backpressuredMs + now.idleMs -
      (was.busyMs + was.backpressuredMs + was.idleMs);
    busy += now.busyMs - was.busyMs;
    backpressured += now.backpressuredMs - was.backpressuredMs;
    whole = Math.max(whole, all);
  }
  return whole <= 0
    ? null
    : { busy: share(busy / whole), backpressured: share(backpressured / whole) };
}

const ZERO = { busyMs: 0, backpressuredMs: 0, idleMs: 0 };

function stagesOf(first: RunView, last: RunView): StageStatus[] {
  return stageNumbersOf(last).map((stage) => {
    let [busy, backpressured, queued, known] = [0, 0, 0, 0];
    let most = { worker: 0, busy: 0 };
    for (const [worker, { stages }] of last.workers.entries()) {
      queued += stages.find((each) => each.stage === stage)?.queued ?? 0;
      const found = shares(stageTimes(first.workers[worker] ?? null), stages, stage);
      if (found === null) continue;
      known++;
      busy += found.busy;
      backpressured += found.backpressured;
      if (found.busy > most.busy) most = { worker, busy: found.busy };
    }
    const mean = (sum: number) => known === 0 ? 0 : sum / known;
    return { stage, busy: mean(busy), backpressured: mean(backpressured), most, queued };
  });
}

/** Between 0 and 1, and short in JSON. */
function share(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 1_000) / 1_000;
}
