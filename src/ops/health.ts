/**
 * Whether a run is healthy: that it makes progress, not only that its processes live.
 *
 * @module
 */
import { countTasks, type GroupView, tasksText } from "./group_view.ts";
import type { RunSource, RunView } from "./run_view.ts";

/** One thing that was looked at. */
export interface Check {
  /** What it is. */
  readonly name: string;
  readonly isOk: boolean;
  /** What was found. */
  readonly found: string;
}

/** The answer of a probe. */
export interface Health {
  readonly isOk: boolean;
  readonly checks: readonly Check[];
}

/**
 * A worker that has not answered for this many questions, one a second, is at work on one item, or
 * hangs.
 */
const MOST_UNANSWERED = 30;

/** An epoch may take this many intervals. */
const MOST_INTERVALS = 3;

/** But at least this time, in milliseconds: the interval may be short. */
const LEAST_EPOCH_MS = 30_000;

/** How long inputs and outputs may be without what they need, in milliseconds. */
const MOST_WAITING_MS = 60_000;

/** How long a group may take to assign tasks to a new member, in milliseconds. */
const SETTLE_MS = 10_000;

/** What `liveness` checks, by name. */
export const LIVENESS_CHECKS: readonly string[] = ["phase", "workers", "epochs", "connections"];

/** Whether the flow has been loaded and its state restored. */
export function startup({ phase }: RunView): Health {
  return health([phaseCheck(phase, phase !== "starting")]);
}

/** Whether the flow runs; for a machine of a group, whether all of its tasks do. */
export function readiness(source: RunSource): Health {
  const { phase, group } = source.view();
  const checks = [phaseCheck(phase, phase === "running")];
  return health(group === null ? checks : [...checks, tasksCheck(group, source.now())]);
}

/**
 * Whether the run makes progress. Before it runs, and between restarts, that is not asked. But what
 * is waited for is told.
 *
 * @param excluded Names of checks that are told, and do not count. A restart of the process does
 * not bring a broker back, so who restarts it excludes `connections`.
 */
export function liveness(source: RunSource, excluded: readonly string[] = []): Health {
  const view = source.view();
  const checks = [phaseCheck(view.phase, view.phase !== "over")];
  const now = source.now();
  if (view.phase === "starting") {
    return health([...checks, { ...waitingCheck(view, now), isOk: true }], excluded);
  }
  if (view.phase !== "running") return health(checks, excluded);
  const waiting = waitingCheck(view, now);
  const epochs = epochCheck(view, now);
  // Without a broker, no epoch can end. How long that may take is the other check's to say.
  const mayWait = waiting.isOk || excluded.includes(waiting.name);
  const excused = { ...epochs, isOk: epochs.isOk || (view.waiting !== null && mayWait) };
  return health([...checks, workersCheck(view), excused, waiting], excluded);
}

function health(checks: readonly Check[], excluded: readonly string[] = []): Health {
  return { isOk: checks.every(({ name, isOk }) => isOk || excluded.includes(name)), checks };
}

function phaseCheck(phase: string, isOk: boolean): Check {
  return { name: "phase", isOk, found: phase };
}

function tasksCheck({ tasks, idleSince }: GroupView, now: number): Check {
  const name = "tasks";
  if (tasks.length > 0) {
    const isOk = countTasks(tasks).running === tasks.length;
    return { name, isOk, found: tasksText(tasks) };
  }
  // The group may have fewer tasks than workers. But it takes a moment to assign them.
  const isOk = idleSince !== null && now - idleSince >= SETTLE_MS;
  return { name, isOk, found: isOk ? "none: other machines have them all" : "none yet" };
}

function workersCheck({ workers }: RunView): Check {
  const silent = workers.flatMap(({ unanswered }, worker) =>
    unanswered > MOST_UNANSWERED ? [`worker ${worker} for ${unanswered} s`] : []
  );
  const isOk = silent.length === 0;
  return {
    name: "workers",
    isOk,
    found: isOk ? answerText(workers.length) : `no answer: ${silent.join(", ")}`,
  };
}

function answerText(workers: number): string {
  return workers === 1 ? "the worker answers" : `all ${workers} answer`;
}

function epochCheck({ epoch, group, past }: RunView, now: number): Check {
  if (epoch === null) return { name: "epochs", isOk: true, found: "none yet" };
  const most = Math.max(LEAST_EPOCH_MS, MOST_INTERVALS * epoch.intervalMs);
  const age = now - epoch.at;
  const isOk = age <= most;
  if (past.epochs.length > 0) {
    return {
      name: "epochs",
      isOk,
      // One of a group in which nothing has happened is not committed.
      found: group === null
        ? `epoch ${epoch.epoch} was committed ${seconds(age)} ago`
        : `an epoch ended ${seconds(age)} ago, the last commit was that of epoch ${epoch.epoch}`,
    };
  }
  // Then it is that of an earlier run, and its age counts from the start of this one.
  const resumed = epoch.epoch < 0 ? "" : `; it goes on after epoch ${epoch.epoch}`;
  const found = `nothing was committed yet, ${seconds(age)} after the start${resumed}`;
  return { name: "epochs", isOk, found };
}

function waitingCheck({ waiting }: RunView, now: number): Check {
  if (waiting === null) return { name: "connections", isOk: true, found: "nothing is waited for" };
  const ms = now - waiting.since;
  return {
    name: "connections",
    isOk: ms <= MOST_WAITING_MS,
    found: `waiting for ${waiting.what.join(", ")} for ${seconds(ms)}`,
  };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
