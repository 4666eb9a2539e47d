/**
 * Looks at a run once a second, and keeps the last minute for clients that come.
 *
 * @module
 */
import { VERSION } from "../core/version.ts";
import {
  hasBegunBetween,
  type Moment,
  type Readings,
  readingsOf,
  stepItemsOf,
} from "./readings.ts";
import { countTasks, type GroupView, restoredShare, type TaskView } from "./group_view.ts";
import type { RunSource, RunView } from "./run_view.ts";
import type {
  EventTimeStatus,
  GroupStatus,
  History,
  InputStatus,
  News,
  PartitionStatus,
  Point,
  Status,
  Verdict,
} from "./status.ts";
import { verdictOf } from "./verdict.ts";

/** How often it looks, in milliseconds. */
const TICK_MS = 1_000;

/** How many points are kept. */
const POINTS = 60;

/** Rates are over this many seconds. */
const RATE_SECONDS = 5;

/** How the lag changes is looked at over this many seconds. */
const TREND_SECONDS = 15;

/** For how many seconds a sentence stays, unless it gets worse. */
const SENTENCE_SECONDS = 3;

/** The most partitions that are told, and the most tasks. */
const MOST_PARTITIONS = 200;
const MOST_TASKS = 200;

/** Looks at a run. */
export class StatusFeed implements Disposable {
  readonly #source: RunSource;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #moments: Moment[] = [];
  readonly #points: Point[] = [];
  #graph: { readonly number: number; readonly text: string } = { number: 0, text: "" };
  #begun: number | null = null;
  #verdict: { readonly since: number; readonly verdict: Verdict } | null = null;
  #status: Status;
  #text: string;
  #tick = Promise.withResolvers<void>();
  #isOver = false;

  /**
   * Begins to look.
   *
   * @param now Returns milliseconds since the Unix epoch.
   */
  constructor(source: RunSource, now: () => number = () => Date.now()) {
    this.#source = source;
    this.#now = now;
    this.#status = this.#look();
    this.#text = JSON.stringify(this.#status);
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** What was seen last. */
  get status(): Status {
    return this.#status;
  }

  /** The same as JSON. It is written once for all clients. */
  get statusText(): string {
    return this.#text;
  }

  /** Whether it has ended: nothing follows. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when it has looked again, or ends. */
  next(): Promise<void> {
    return this.#isOver ? Promise.resolve() : this.#tick.promise;
  }

  /** What a client is told first. */
  history(): History {
    const { lines, errors } = this.#source.view().past;
    return { version: VERSION, points: this.#points, lines, errors };
  }

  /** What is new since a line and an error; `null` if nothing is. */
  newsSince(line: number, errorAt: number): News | null {
    const { lines, errors } = this.#source.view().past;
    const fresh = lines.filter(({ number }) => number > line);
    if (fresh.length === 0 && (errors.at(-1)?.at ?? 0) <= errorAt) return null;
    return { lines: fresh, errors };
  }

  /** Looks again. */
  tick(): void {
    this.#status = this.#look();
    this.#text = JSON.stringify(this.#status);
    const { resolve } = this.#tick;
    this.#tick = Promise.withResolvers();
    resolve();
  }

  /** Looks a last time. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    clearInterval(this.#timer);
    this.#isOver = true;
    this.tick();
  }

  #look(): Status {
    const view = this.#source.view();
    const at = this.#source.now();
    const moment = { at, view };
    const before = this.#moments.at(-1);
    if (before !== undefined && hasBegunBetween(before, moment)) this.#moments.length = 0;
    this.#moments.push(moment);
    if (this.#moments.length > RATE_SECONDS + 1) this.#moments.shift();
    this.#noteGraph(view);
    if (view.phase === "running") this.#begun ??= at;
    else if (view.phase !== "stopping" && view.phase !== "reloading") this.#begun = null;
    const readings = readingsOf(this.#moments[0], moment);
    const point = this.#point(view, readings);
    this.#points.push(point);
    if (this.#points.length > POINTS) this.#points.shift();
    const verdict = this.#say(moment, readings, point);
    return this.#statusOf(moment, readings, point, verdict);
  }

  /** A run that is started again loads its flow again. Mostly it is the same one. */
  #noteGraph({ graph }: RunView): void {
    if (graph === null) return;
    const text = JSON.stringify(graph);
    if (text === this.#graph.text) return;
    this.#graph = { number: this.#graph.number + 1, text };
    this.#points.length = 0; // their numbers are of other steps
  }

  #point(view: RunView, readings: Readings): Point {
    const sum = (kind: string) =>
      (view.graph?.steps ?? []).reduce(
        (sum, step, i) => step.kind === kind ? sum + readings.steps[i].out : sum,
        0,
      );
    const lags = view.workers.flatMap(({ lag }) => lag.map(({ items }) => items));
    const behind = view.workers.flatMap(({ eventTimes }) =>
      eventTimes.map(({ behindMs }) => behindMs)
    );
    const memory = view.workers.map(({ memory }) => memory?.rss ?? null);
    const now = this.#now();
    return {
      at: now,
      in: round(sum("input")),
      out: round(sum("capture")),
      late: round(readings.steps.reduce((sum, { late }) => sum + late, 0)),
      lag: lags.length === 0 ? null : lags.reduce((sum, items) => sum + items, 0),
      behindMs: behind.length === 0 ? null : Math.round(behind.reduce((a, b) => Math.max(a, b))),
      epochMs: view.epoch === null ? null : Math.round(view.epoch.ms),
      rss: memory.length === 0 || memory.includes(null)
        ? null
        : memory.reduce<number>((sum, rss) => sum + rss!, 0),
      steps: readings.steps.map(({ out }) => round(out)),
    };
  }

  #say({ at, view }: Moment, readings: Readings, point: Point): Verdict {
    const verdict = verdictOf({
      view,
      now: at,
      readings,
      lag: point.lag,
      lagTrend: this.#lagTrend(),
      behindMs: point.behindMs,
      quietSeconds: this.#quietSeconds(),
    });
    const last = this.#verdict;
    const isKept = last !== null && at - last.since < SENTENCE_SECONDS * 1_000 &&
      severity(verdict) <= severity(last.verdict) && view.phase === "running";
    if (isKept) return last.verdict;
    this.#verdict = { since: at, verdict };
    return verdict;
  }

  #lagTrend(): number | null {
    const points = this.#points.slice(-(TREND_SECONDS + 1));
    const [first, last] = [points[0], points.at(-1)!];
    if (points.length <= RATE_SECONDS || first.lag === null || last.lag === null) return null;
    return (last.lag - first.lag) / ((last.at - first.at) / 1_000);
  }

  #quietSeconds(): number {
    const last = this.#points.findLastIndex((point) => point.in > 0);
    return this.#points.length - 1 - last;
  }

  #statusOf({ at, view }: Moment, readings: Readings, point: Point, verdict: Verdict): Status {
    const items = stepItemsOf(view);
    const steps = view.graph?.steps ?? [];
    const of = (id: string) => items.get(id) ?? { in: 0, out: 0, late: 0 };
    const total = (kind: string) =>
      steps.reduce((sum, { id, kind: own }) => own === kind ? sum + of(id).out : sum, 0);
    const wall = point.at - at;
    return {
      phase: view.phase,
      outcome: view.past.outcome,
      restarts: view.restarts,
      upMs: this.#begun === null ? null : Math.round(at - this.#begun),
      graph: this.#graph.number,
      verdict,
      point,
      totals: {
        in: total("input"),
        out: total("capture"),
        late: steps.reduce((sum, { id }) => sum + of(id).late, 0),
      },
      steps: {
        in: readings.steps.map((step) => round(step.in)),
        out: point.steps,
        late: steps.map(({ id }) => of(id).late),
        keys: steps.map(({ id }) => stateOf(view, id, "keys")),
        bytes: steps.map(({ id }) => stateOf(view, id, "bytes")),
      },
      stages: readings.stages,
      workers: view.workers.map(({ memory, unanswered }, i) => ({
        in: round(readings.workers[i].in),
        work: round(readings.workers[i].work),
        busy: readings.workers[i].busy,
        rss: memory?.rss ?? null,
        heapUsed: memory?.heapUsed ?? null,
        silent: unanswered,
      })),
      inputs: inputsOf(view),
      partitions: partitionsOf(view),
      eventTimes: eventTimesOf(view),
      epochs: view.past.epochs.map(({ epoch, at, ms, storeMs, bytes }) => ({
        epoch,
        at: Math.round(at + wall),
        ms: Math.round(ms),
        storeMs: Math.round(storeMs),
        bytes,
      })),
      commitAgeMs: view.epoch === null ? null : Math.round(at - view.epoch.at),
      intervalMs: view.epoch?.intervalMs ?? null,
      waiting: view.waiting === null
        ? null
        : { what: view.waiting.what, ms: Math.round(at - view.waiting.since) },
      group: view.group === null ? null : groupStatus(view.group, this.#moments[0], at),
    };
  }
}

/** Rates are since `first`. */
function groupStatus(
  { app, groupId, protocol, status, tasks }: GroupView,
  first: Moment,
  at: number,
): GroupStatus {
  const seconds = (at - first.at) / 1_000;
  const before = new Map(first.view.group?.tasks.map((each) => [each.task, each]));
  const rate = (task: TaskView, side: "in" | "out") => {
    const was = before.get(task.task);
    if (was === undefined || was.worker !== task.worker || seconds <= 0) return 0;
    return round(Math.max(0, task[side] - was[side]) / seconds);
  };
  const lagOf = ({ inputLag, shuffleLag }: TaskView) => inputLag + shuffleLag;
  const shown = tasks
    .toSorted((a, b) =>
      Number(a.state === "running") - Number(b.state === "running") || lagOf(b) - lagOf(a)
    )
    .slice(0, MOST_TASKS);
  return {
    app,
    groupId,
    protocol,
    status,
    counts: countTasks(tasks),
    restored: restoredShare(tasks),
    tasks: shown.map((each) => ({
      task: each.task,
      worker: each.worker,
      state: each.state,
      restored: restoredShare([each]),
      in: rate(each, "in"),
      out: rate(each, "out"),
      inputLag: each.inputLag,
      shuffleLag: each.shuffleLag,
    })),
  };
}

function inputsOf({ workers }: RunView): InputStatus[] {
  const inputs = new Map<string, InputStatus>();
  for (const { step, items, ms } of workers.flatMap(({ lag }) => lag)) {
    const known = inputs.get(step) ?? { step, partitions: 0, lag: 0, ms: null };
    inputs.set(step, {
      step,
      partitions: known.partitions + 1,
      lag: known.lag + items,
      ms: ms === null ? known.ms : Math.max(ms, known.ms ?? 0),
    });
  }
  return [...inputs.values()];
}

/** What all workers keep for a step; `null` if one does not know, or it keeps nothing. */
function stateOf({ workers }: RunView, step: string, what: "keys" | "bytes"): number | null {
  const found = workers.flatMap(({ state }) => state.filter((each) => each.step === step));
  return found.length === 0 ? null : found.reduce<number | null>(
    (sum, { [what]: each }) => sum === null || each === null ? null : sum + each,
    0,
  );
}

function partitionsOf({ workers }: RunView): PartitionStatus[] {
  return workers
    .flatMap(({ lag }, worker) =>
      lag.map(({ step, partition, items }) => ({ step, partition, worker, lag: items }))
    )
    .toSorted((a, b) => b.lag - a.lag)
    .slice(0, MOST_PARTITIONS);
}

function eventTimesOf({ workers }: RunView): EventTimeStatus[] {
  const last = new Map<string, EventTimeStatus>();
  for (const [worker, { eventTimes }] of workers.entries()) {
    for (const { step, time, behindMs, heldBy } of eventTimes) {
      if ((last.get(step)?.time ?? Infinity) <= time) continue;
      last.set(step, { step, time, behindMs: Math.round(behindMs), heldBy, worker });
    }
  }
  return [...last.values()];
}

const TONES: readonly Verdict["tone"][] = ["good", "neutral", "busy", "warning", "bad"];

function severity({ tone }: Verdict): number {
  return TONES.indexOf(tone);
}

/** Short in JSON: three digits are enough. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
