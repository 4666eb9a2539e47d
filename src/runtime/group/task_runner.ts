/**
 * Runs the tasks of one process, with epochs of its own.
 *
 * ```text
 *   open ──interval, or early──▶ closing ──all tasks have closed it──▶ committing ──▶ open
 * ```
 *
 * All tasks end an epoch together, and one commit holds what they did. A task whose state is there
 * joins the epoch that is open. One that is given up stops; what it did until then is part of the
 * next commit. No other process takes part: items come from there through the log.
 *
 * An epoch ends early if a task is given up or has never run before. It also does if much that was
 * sent, written or changed waits for the commit. If that of the next epoch is much, too, while an
 * epoch is committed, inputs read no more. One in which nothing happened is not committed.
 *
 * @module
 */
import { elapsedOf, wakeAfter } from "../../core/clock.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { StateAnswer, StateQuestion } from "../../ops/state_question.ts";
import { type StepCounts, sumCounts } from "../counts.ts";
import { answerOf } from "../live_state.ts";
import { warnOfUnread } from "../unread.ts";
import type { WorkerReadings } from "../worker_readings.ts";
import type { Standby } from "../../group/log.ts";
import type { FlowPart } from "./cut_flow.ts";
import type {
  StandbyStatus,
  TaskProgress,
  TaskRunnerSettings,
  TaskRuns,
  TaskStatus,
} from "./runner_settings.ts";
import { TaskRun, type TaskShare } from "./task_run.ts";
import { WaitingBytes } from "./waiting_bytes.ts";

/** An epoch that has been closing for this long is warned of, then after twice the time. */
const SLOW_MS = 5_000;

/** Runs tasks. */
export class TaskRunner implements TaskRuns {
  readonly #settings: TaskRunnerSettings;
  readonly #runs = new Map<TaskId, TaskRun>();
  readonly #standbys = new Map<TaskId, Standby>();
  #wantedStandbys: ReadonlySet<TaskId> = new Set();
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #toGiveUp = new Set<TaskRun>(); // as soon as the epoch that closes is committed
  readonly #waiting: WaitingBytes;
  #past: readonly StepCounts[] = []; // of tasks that are gone
  #epoch = 0; // the one that is open, or closing
  #phase: "open" | "closing" | "committing" = "open";
  #isEarly = false; // whether the epoch, or the next one, is to close without waiting
  #closedAt = -Infinity; // when the last one began to close, by the clock that nobody sets
  #cancelTimer: (() => void) | null = null;
  #cancelWarning: () => void = () => {};
  #isStopped = false;
  #failure: { error: unknown } | null = null;
  #failed: Promise<void> = Promise.resolve();

  /** Runs nothing yet. */
  constructor(settings: TaskRunnerSettings) {
    this.#settings = settings;
    const { lateCommits = 0 } = settings;
    this.#waiting = new WaitingBytes(() => this.#closeSoon(), { lateCommits });
    this.#over.promise.catch(() => {}); // nobody may wait for it yet
    warnOfUnread(settings.cut.graph, settings.log);
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  get progress(): readonly TaskProgress[] {
    return Array.from(this.#runs.values(), ({ progress }) => progress);
  }

  get tasks(): readonly TaskStatus[] {
    return Array.from(this.#runs.values(), ({ status }) => status);
  }

  get standbys(): readonly StandbyStatus[] {
    return Array.from(this.#standbys, ([task, { lag, hasFailed }]) => ({ task, lag, hasFailed }));
  }

  get stored(): ReadonlyMap<TaskId, number> {
    return this.#settings.groupLog.stored;
  }

  counts(): readonly StepCounts[] {
    const now = Array.from(this.#runs.values(), (run) => run.counts());
    return sumCounts(this.#past.length === 0 ? now : [this.#past, ...now]);
  }

  readings(): ReadonlyMap<TaskId, WorkerReadings> {
    return new Map(Array.from(this.#runs, ([task, run]) => [task, run.readings()]));
  }

  measured(): readonly MeasuredMetric[] {
    return this.#settings.cut.graph.meters.read(); // which all tasks share
  }

  stateNow(question: StateQuestion): StateAnswer {
    const runs = [...this.#runs.values()].filter(({ hasState }) => hasState);
    return answerOf(question, runs.map(({ keyedSteps }) => keyedSteps));
  }

  waitingFor(): readonly string[] {
    const ofTasks = [...this.#runs.values()].flatMap((run) => run.waitingFor());
    const ofLog = this.#settings.groupLog.waitingFor();
    return [...new Set(ofLog === null ? ofTasks : [ofLog, ...ofTasks])];
  }

  assign(tasks: Iterable<TaskId>): void {
    if (this.#isOver) return; // what the group says comes too late
    const added = Array.from(tasks, (task) => [task, this.#partOf(task)] as const);
    for (const [task, part] of added) {
      const run = new TaskRun(task, part, this.#settings, this.#waiting, {
        ready: (each) => this.#join(each),
        advanced: () => this.#advance(),
        fail: (error) => this.#fail(error),
      });
      this.#runs.set(task, run);
      this.#matchStandbys(); // the restore is to have the file
      run.start();
    }
  }

  keepStandbys(tasks: Iterable<TaskId>): void {
    this.#wantedStandbys = new Set(tasks);
    this.#matchStandbys();
  }

  /** Has a standby of each task that is wanted and does not run here. */
  #matchStandbys(): void {
    const wanted = (task: TaskId) => this.#wantedStandbys.has(task) && !this.#runs.has(task);
    for (const [task, standby] of this.#standbys) {
      if (wanted(task) && !this.#isOver) continue;
      standby.close();
      this.#standbys.delete(task);
    }
    if (this.#isOver) return;
    for (const task of this.#wantedStandbys) {
      if (this.#standbys.has(task) || !wanted(task)) continue;
      const standby = this.#settings.groupLog.standby(task);
      if (standby !== null) this.#standbys.set(task, standby);
    }
  }

  #partOf(task: TaskId): FlowPart {
    const { cut } = this.#settings;
    const { subtopology, partition } = partsOf(task);
    const part = cut.parts.get(subtopology);
    if (part === undefined || !Number.isInteger(partition) || partition < 0) {
      const known = [...cut.parts.keys()].join(", ");
      throw new TypeError(
        `task ${task} is not one of flow ${
          JSON.stringify(cut.graph.name)
        }, whose tasks are parts ` +
          `of ${known}: all machines of a group must run the same flow`,
      );
    }
    if (this.#runs.has(task)) throw new TypeError(`task ${task} has been assigned already`);
    return part;
  }

  async revoke(tasks: Iterable<TaskId>): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const given = Array.from(tasks, (task) => {
      const run = this.#runs.get(task);
      if (run === undefined) throw new TypeError(`task ${task} has not been assigned`);
      return run;
    });
    await Promise.all(given.map((run) => this.#giveUp(run)));
  }

  async #giveUp(run: TaskRun): Promise<void> {
    // One that has its state would end the next epoch before this one is committed. The log could
    // not tell what it writes then from what belongs to this commit.
    if (this.#phase === "open" || !run.hasState) run.giveUp();
    else this.#toGiveUp.add(run);
    this.#closeSoon();
    await run.gone;
    this.#forget(run);
  }

  #forget(run: TaskRun): void {
    if (!this.#runs.delete(run.task)) return;
    this.#past = sumCounts(this.#past.length === 0 ? [run.counts()] : [this.#past, run.counts()]);
    this.#matchStandbys();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#matchStandbys();
    await this.revoke([...this.#runs.keys()]);
    this.#cancel();
    this.#over.resolve();
  }

  async kill(reason: Error): Promise<void> {
    this.#fail(reason);
    await this.#failed;
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#failure !== null;
  }

  /** A task has its state: it takes part from the epoch on that nobody closes yet. */
  #join(run: TaskRun): void {
    if (this.#failure !== null) return;
    run.join(this.#phase === "open" ? this.#epoch : this.#epoch + 1);
    if (run.isNew) this.#closeSoon(); // if it fails before, it may begin somewhere else
    if (this.#phase === "open" && this.#cancelTimer === null) this.#schedule();
  }

  /** The epoch is to close soon; if it does already, the next one is. */
  #closeSoon(): void {
    this.#isEarly = true;
    if (this.#phase === "open") this.#schedule();
  }

  /** Waits for what is left of the open epoch's time. */
  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#failure !== null || !this.#hasRunning()) return;
    const { clock, intervalMs } = this.#settings;
    const left = Math.max(this.#closedAt + intervalMs - elapsedOf(clock), intervalMs / 2);
    // Early, but not now: a task may be in the middle of sending.
    this.#cancelTimer = this.#isEarly
      ? inMicrotask(() => this.#close())
      : wakeAfter(clock, left, () => this.#close());
  }

  #hasRunning(): boolean {
    return this.#runs.values().some((run) => run.isIn(this.#epoch));
  }

  #close(): void {
    this.#cancelTimer = null;
    this.#isEarly = false;
    this.#phase = "closing";
    this.#closedAt = elapsedOf(this.#settings.clock);
    this.#settings.observer?.closing?.(this.#epoch);
    this.#waiting.closing(this.#epoch);
    this.#warnAfter(SLOW_MS, SLOW_MS);
    for (const run of this.#in()) run.trigger(this.#epoch);
    this.#advance();
  }

  /** Warns after `ms`, of an epoch that will then have been closing for `inAll`. */
  #warnAfter(ms: number, inAll: number): void {
    this.#cancelWarning = wakeAfter(this.#settings.clock, ms, () => {
      for (const run of this.#in()) run.stillClosing(this.#epoch, inAll);
      this.#warnAfter(inAll, 2 * inAll);
    });
  }

  #in(): TaskRun[] {
    return [...this.#runs.values()].filter((run) => run.isIn(this.#epoch));
  }

  /** A task has done its part: if all have, the epoch is committed. */
  #advance(): void {
    if (this.#phase !== "closing" || this.#failure !== null) return;
    const runs = this.#in();
    if (!runs.every((run) => run.hasClosed(this.#epoch))) return;
    this.#phase = "committing";
    this.#cancelWarning();
    this.#commit(runs).catch((thrown) => this.#fail(thrown));
  }

  async #commit(runs: readonly TaskRun[]): Promise<void> {
    const { groupLog, identity, observer, clock } = this.#settings;
    const epoch = this.#epoch;
    const ended = runs.filter((run) => run.hasEnded);
    const shares = runs.map((run) => run.takeShare(epoch)).filter(({ isChanged }) => isChanged);
    if (shares.length > 0) {
      const began = elapsedOf(clock);
      await groupLog.commit(epochOf(shares, identity));
      const ms = elapsedOf(clock) - began;
      this.#waiting.took(epoch, ms);
      observer?.committed?.(epoch, ms, bytesOf(shares));
    }
    if (this.#failure !== null) return;
    for (const run of runs) {
      if (!ended.includes(run)) run.committed().catch((thrown) => this.#fail(thrown));
    }
    await Promise.all(ended.map((run) => run.committed()));
    await Promise.all(ended.map((run) => run.close()));
    for (const run of ended) this.#forget(run);
    this.#next(epoch);
  }

  #next(epoch: number): void {
    if (this.#failure !== null) return;
    this.#epoch = epoch + 1;
    this.#phase = "open";
    this.#settings.observer?.ended?.(epoch);
    for (const run of this.#toGiveUp) run.giveUp();
    this.#toGiveUp.clear();
    if (this.#waiting.committed(epoch)) this.#isEarly = true;
    this.#schedule();
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#cancelWarning();
  }

  /** What is in memory is void: all ends without a commit. */
  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#cancel();
    this.#matchStandbys();
    const closed = [...this.#runs.values()].map((run) => run.close(error));
    this.#failed = Promise.all(closed).then(() => this.#over.reject(error));
  }
}

function epochOf(shares: readonly TaskShare[], identity: TaskRunnerSettings["identity"]) {
  return {
    tasks: shares.map(({ epoch }) => epoch),
    shuffle: shares.flatMap(({ shuffle }) => shuffle),
    identity,
  };
}

/** How many bytes changed states and positions have. */
function bytesOf(shares: readonly TaskShare[]): number {
  let bytes = 0;
  for (const { epoch: { positions, state } } of shares) {
    for (const each of positions) bytes += each.state.length;
    for (const { states } of state) bytes += states.length;
  }
  return bytes;
}

/** Calls `call` before the event loop goes on. Returns what cancels it. */
function inMicrotask(call: () => void): () => void {
  let isCancelled = false;
  queueMicrotask(() => {
    if (!isCancelled) call();
  });
  return () => isCancelled = true;
}
