/**
 * How a run is, in a sentence: the first of these rules that applies.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import type { StepId } from "../core/ids.ts";
import { countTasks, restoredShare } from "./group_view.ts";
import type { Readings } from "./readings.ts";
import type { FlowView, RunError, RunView } from "./run_view.ts";
import type { Verdict } from "./status.ts";
import { countText, durationText, percentText } from "./words.ts";

/** What a sentence is made of. */
export interface Findings {
  readonly view: RunView;
  /** The time, in milliseconds of the run's clock. */
  readonly now: number;
  readonly readings: Readings;
  /** Items that have not been read; `null` if no input knows. */
  readonly lag: number | null;
  /** How the lag changes, in items a second; `null` if that is not known yet. */
  readonly lagTrend: number | null;
  /** How far event time lags, in milliseconds; `null` without window steps. */
  readonly behindMs: number | null;
  /** For how many seconds no input has read an item. */
  readonly quietSeconds: number;
}

/** A worker that has not answered for this time, in seconds, is worth a sentence. */
const SILENT_SECONDS = 5;

/** Something that is waited for is worth a sentence after this time, in milliseconds. */
const WAITING_MS = 3_000;

/** As a run that is not healthy any more: see `health.ts`. */
const MOST_INTERVALS = 3;
const LEAST_EPOCH_MS = 30_000;

/** A stage, or a worker, that is busy for this share of the time is at its limit. */
const BUSY = 0.85;

/** A stage that is backpressured for this share of the time waits for another one. */
const BACKPRESSURED = 0.15;

/** A lag that grows by this share of what is read, or shrinks by it, is worth a sentence. */
const TREND = 0.02;

/** A lag is worth a sentence if it takes longer to read than this, in seconds. */
const LAG_SECONDS = 5;

/** An input that has read nothing for this time, in seconds, is quiet. */
const QUIET_SECONDS = 30;

/** Event time that is behind by this, in milliseconds, is told. */
const BEHIND_MS = 1_000;

type Rule = (findings: Findings) => Verdict | null;

/** Returns the sentence. */
export function verdictOf(findings: Findings): Verdict {
  for (const rule of RULES) {
    const verdict = rule(findings);
    if (verdict !== null) return verdict;
  }
  return keepingUp(findings);
}

const RULES: readonly Rule[] = [
  notRunning,
  silentWorker,
  waiting,
  groupWaits,
  nothingCommitted,
  restoring,
  bottleneck,
  fallingBehind,
  catchingUp,
  atLimit,
  quiet,
];

function notRunning({ view, now }: Findings): Verdict | null {
  const error = view.past.errors.at(-1);
  switch (view.phase) {
    case "running":
      return null;
    case "starting":
      if (view.graph === null) return say("neutral", "The flow is being loaded.");
      return starting(longWait(view, now));
    case "stopping":
      return say("neutral", "The run is being stopped: its last epoch is on its way.");
    case "restarting":
      return say("bad", ...failure(error), " The run is started again after a pause.");
    case "reloading":
      return say("neutral", "The code has changed: the run makes room for one of the new code.");
    case "over":
      break;
  }
  const next = view.past.waitsForChange ? " It goes on when the code of the flow changes." : "";
  switch (view.past.outcome) {
    case "finished":
      return say(
        "good",
        `The flow has finished: its inputs have ended, and all is written.${next}`,
      );
    case "failed":
      return say("bad", ...failure(error), ` The run has ended.${next}`);
    default:
      return say("neutral", "The run was stopped, and all up to there is written.");
  }
}

function starting(wait: string | null): Verdict {
  return wait === null
    ? say("neutral", "The run is being started: state is restored, inputs and outputs open.")
    : say("warning", `The run is being started, and waits for ${wait}.`);
}

/** What went wrong, with the step if it is known. */
function failure(error: RunError | undefined): Verdict["parts"] {
  if (error === undefined) return ["The run has failed."];
  const { step, worker } = error;
  const [message] = error.message.split("\n"); // the others are below the sentence
  const text = /[.!?]$/.test(message) ? message : `${message}.`;
  if (step === null) return [`The run has failed: ${text}`];
  return [{ step }, ` has failed${worker === null ? "" : ` on worker ${worker}`}: ${text}`];
}

function silentWorker({ view: { workers } }: Findings): Verdict | null {
  const [worker, seconds] = largest(workers.map(({ unanswered }) => unanswered));
  if (seconds <= SILENT_SECONDS) return null;
  return say(
    "warning",
    `Worker ${worker} has not answered for ${seconds} s: it is at work on one item, or hangs.`,
  );
}

function waiting({ view, now }: Findings): Verdict | null {
  const wait = longWait(view, now);
  if (wait === null) return null;
  return say("warning", `Waiting for ${wait}; the run goes on by itself afterwards.`);
}

function groupWaits({ view: { group } }: Findings): Verdict | null {
  if (group === null || group.status === null) return null;
  return say("warning", `${group.status[0].toUpperCase()}${group.status.slice(1)}.`);
}

/** A task that is restored does nothing meanwhile. */
function restoring({ view: { group } }: Findings): Verdict | null {
  if (group === null) return null;
  const { restoring } = countTasks(group.tasks);
  if (restoring === 0) return null;
  const share = restoredShare(group.tasks);
  const percent = share === null ? "" : `, ${Math.floor(share * 100)} %`;
  return say(
    "busy",
    `${counted(restoring, "task")} of ${group.tasks.length} ${restoring === 1 ? "has" : "have"} ` +
      `yet to read the state${percent}; the others go on meanwhile.`,
  );
}

/** What is waited for, and for how long; `null` while that is not worth a sentence. */
function longWait({ waiting }: RunView, now: number): string | null {
  if (waiting === null || now - waiting.since < WAITING_MS) return null;
  return `${waiting.what.join(" and ")} for ${durationText(now - waiting.since)}`;
}

function nothingCommitted({ view: { epoch }, now }: Findings): Verdict | null {
  if (epoch === null) return null;
  const age = now - epoch.at;
  if (age <= Math.max(LEAST_EPOCH_MS, MOST_INTERVALS * epoch.intervalMs)) return null;
  return say(
    "bad",
    `Nothing was committed for ${durationText(age)}: the log says what holds up the epoch.`,
  );
}

/** A stage that is busy all the time, does not wait itself, and for which others wait. */
function bottleneck({ view: { graph }, readings: { stages }, lag, lagTrend }: Findings) {
  if (graph === null) return null;
  const candidates = stages
    .filter(({ most, backpressured }) => most.busy > BUSY && backpressured < BACKPRESSURED)
    .toSorted((a, b) => b.most.busy - a.most.busy);
  for (const { stage, most } of candidates) {
    const before = upstreamOf(graph, stage);
    const waiting = stages.filter((each) =>
      before.has(each.stage) && each.backpressured >= BACKPRESSURED
    );
    if (waiting.length === 0) continue;
    const isOnAll = stages.find((each) => each.stage === stage)!.busy > BUSY;
    const steps = graph.steps.filter((step) => waiting.some((each) => each.stage === step.stage));
    const others = steps.length === 1 ? "1 step waits" : `${steps.length} steps wait`;
    return about(
      stage,
      "busy",
      { step: nameOf(graph, stage) },
      ` is the bottleneck: busy ${percentText(most.busy)} of the time` +
        `${isOnAll ? "" : ` on worker ${most.worker}`}; ${others} for it.` +
        growing(lag, lagTrend),
    );
  }
  return null;
}

function growing(lag: number | null, trend: number | null): string {
  if (lag === null || trend === null || trend < 1) return "";
  return ` There are ${items(lag)} to read, and more each second.`;
}

function fallingBehind({ lag, lagTrend, readings, view }: Findings): Verdict | null {
  if (lag === null || lagTrend === null || !isBehind(lag, readings, view)) return null;
  if (lagTrend <= TREND * rateOf(readings, view)) return null;
  return say(
    "warning",
    `The lag grows: ${items(lag)} to read, ${countText(lagTrend)} more each second.` +
      limitText(view, readings),
  );
}

function catchingUp({ lag, lagTrend, readings, view }: Findings): Verdict | null {
  if (lag === null || lagTrend === null || !isBehind(lag, readings, view)) return null;
  if (lagTrend >= -TREND * rateOf(readings, view) || lagTrend >= 0) return null;
  return say(
    "good",
    `Catching up: ${items(lag)} to read, done in about ${durationText(lag / -lagTrend * 1_000)}.`,
  );
}

function isBehind(lag: number, readings: Readings, view: RunView): boolean {
  return lag > LAG_SECONDS * Math.max(1, rateOf(readings, view));
}

/** A worker's one thread is at work all the time, in several stages. */
function atLimit({ readings, view }: Findings): Verdict | null {
  const [worker, busy] = largest(readings.workers.map((each) => each.busy ?? 0));
  if (busy <= BUSY) return null;
  const all = readings.workers.every((each) => (each.busy ?? 0) > BUSY);
  const who = all && view.workers.length > 1 ? "All workers are" : `Worker ${worker} is`;
  const stage = busiestOf(readings);
  if (stage === null || view.graph === null) {
    return say("busy", `At full speed: ${who} busy ${percentText(busy)} of the time.`);
  }
  const others = view.graph.steps.filter((step) => step.stage === stage).length - 1;
  return about(
    null,
    "busy",
    `At full speed: ${who.toLowerCase()} busy ${percentText(busy)} of the time, most of it in `,
    { step: nameOf(view.graph, stage) },
    others === 0
      ? "."
      : ` or ${
        others === 1 ? "the step that runs" : `the ${others} steps that run`
      } in one loop with it.`,
  );
}

function limitText(view: RunView, readings: Readings): string {
  const [worker, busy] = largest(readings.workers.map((each) => each.busy ?? 0));
  if (busy <= BUSY) return "";
  return view.workers.length === 1
    ? ` Its worker is busy ${percentText(busy)} of the time: try more workers.`
    : ` Worker ${worker} is busy ${percentText(busy)} of the time.`;
}

function quiet({ quietSeconds }: Findings): Verdict | null {
  if (quietSeconds < QUIET_SECONDS) return null;
  const time = quietSeconds >= 60 ? "the last minute" : `the last ${quietSeconds} s`;
  return say("neutral", `Nothing to do: no input has read an item in ${time}.`);
}

function keepingUp({ view, readings, behindMs, lag }: Findings): Verdict {
  const rate = `${countText(rateOf(readings, view))} items a second`;
  if (behindMs !== null && behindMs >= BEHIND_MS) {
    return say("good", `Keeping up: ${rate}; event time lags by ${durationText(behindMs)}.`);
  }
  if (lag !== null) return say("good", `Keeping up: ${rate}, ${items(lag)} to read.`);
  return say("good", `Running: ${rate}, and nothing waits.`);
}

function items(count: number): string {
  return count >= 1_000 ? `${countText(count)} items` : counted(Math.round(count), "item");
}

/** What inputs read, in items a second. */
function rateOf({ steps }: Readings, { graph }: RunView): number {
  return graph === null ? 0 : graph.steps.reduce(
    (sum, { kind }, i) => kind === "input" ? sum + (steps[i]?.out ?? 0) : sum,
    0,
  );
}

function busiestOf({ stages }: Readings): number | null {
  const [at, busy] = largest(stages.map((each) => each.most.busy));
  return busy > 0 ? stages[at].stage : null;
}

/** The stages before a stage. */
function upstreamOf({ steps }: FlowView, stage: number): ReadonlySet<number> {
  const stageOf = new Map(steps.map((step) => [step.id, step.stage]));
  const found = new Set<number>();
  const wanted = [stage];
  for (const each of wanted) {
    for (const { step } of steps.filter((one) => one.stage === each).flatMap(({ from }) => from)) {
      const before = stageOf.get(step);
      if (before === undefined || before === stage || found.has(before)) continue;
      found.add(before);
      wanted.push(before);
    }
  }
  return found;
}

/** The step that a stage is called by: the one with state, or else the first. */
function nameOf({ steps }: FlowView, stage: number): StepId {
  const own = steps.filter((step) => step.stage === stage);
  const found = own.find(({ kind }) => kind === "stateful" || kind === "window") ??
    own.find(({ kind }) => kind === "async") ?? own[0];
  return found?.id ?? `stage ${stage}`;
}

function largest(values: readonly number[]): [at: number, value: number] {
  return values.reduce<[number, number]>(
    (most, value, at) => value > most[1] ? [at, value] : most,
    [0, 0],
  );
}

function say(tone: Verdict["tone"], ...parts: Verdict["parts"]): Verdict {
  return { tone, parts, stage: null };
}

function about(stage: number | null, tone: Verdict["tone"], ...parts: Verdict["parts"]): Verdict {
  return { tone, parts, stage };
}
