/**
 * One worker: its share of a flow, from opening it to closing it, and the epochs in between.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import { ItemError, type StepError } from "../core/errors.ts";
import { RunClock } from "../core/run_clock.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { decodeValue } from "../core/value_codec.ts";
import type { PlaceRecovery, Progress } from "../graph/contracts.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { MeasuredMetric } from "../graph/measured.ts";
import type { StateChunk, StoredKey, StoredPosition } from "../recovery/store.ts";
import { assemble, type Tasks } from "./assembly.ts";
import { FlowCounter, type StepCounts } from "./counts.ts";
import { EpochProgress } from "./epoch_progress.ts";
import { Journal, positionsOf } from "./journal.ts";
import type { KeyNumbering } from "./keyed/key_ids.ts";
import type { Mesh } from "./exchange/mesh.ts";
import type { Pace } from "./pace.ts";
import { WorkerAlignment } from "./time/source_alignment.ts";
import type { StateAnswer, StateQuestion } from "../ops/state_question.ts";
import { answerOf, type KeysOfStep } from "./live_state.ts";
import { openSteps, warnOfOpenEpoch } from "./open_steps.ts";
import { type Plan, planFlow } from "./plan.ts";
import type { LeftStep } from "./stop_limit.ts";
import { readStages, type StageReading } from "./stage_readings.ts";
import { stepError } from "./step_error.ts";
import { TaskLoop } from "./task_loop.ts";
import type { Task, TaskHost } from "./tasks/task.ts";
import type { Traces } from "./traces.ts";
import { UnseenLate } from "./unseen_late.ts";
import { warnOfUnread } from "./unread.ts";
import type { TaskShuffle } from "./group/log_ends.ts";
import { type InputPlans, type IoOpener, WorkerIo } from "./worker_io.ts";
import type { InputLag, StateReading, WorkerReadings } from "./worker_readings.ts";

/** What a worker tells the conductor. */
export interface WorkerEvents {
  /** Keys have changed in an epoch that is about to be closed. */
  stateChanged(epoch: Epoch, chunk: StateChunk): void;
  /** All of the epoch is out and durable; inputs and outputs are where `positions` says. */
  acknowledge(epoch: Epoch, positions: readonly StoredPosition[]): void;
  /** A step asks for a graceful stop of the whole run. */
  stopRequested(): void;
  /**
   * An input has failed, and no snapshot keeps what was read before. The whole run is to be stopped
   * gracefully, and then to fail with this error.
   */
  inputFailed(error: StepError): void;
  /**
   * A step could not finish its work after {@linkcode Worker.giveUp}: the stop cannot be completed.
   */
  gaveUp(): void;
}

/** Where and how a worker runs. */
export interface WorkerOptions {
  /** Which worker this is. */
  readonly index: WorkerIndex;
  /** Of how many. */
  readonly count: number;
  /** The time. */
  readonly clock: Clock;
  /** For the engine's own lines. */
  readonly log: Log;
  /** The traces of items; `null` or absent if nothing is exported. */
  readonly traces?: Traces | null;
  /** The part of the flow that it runs as a task of a group; absent if it runs all of it. */
  readonly part?: WorkerPart;
}

/** What a task of a group runs. */
export interface WorkerPart {
  /** The plan of the part. */
  readonly plan: Plan;
  /** Opens its inputs and outputs. */
  readonly opener: IoOpener;
  /** As `TaskHost.mayRead`. */
  readonly mayRead: (epoch: Epoch) => boolean;
}

/** What a worker starts with. */
export interface WorkerStart {
  /** The first epoch. */
  readonly epoch: Epoch;
  /** What {@linkcode Worker.plan} gave on one worker. */
  readonly plans: InputPlans;
  /** Where inputs and outputs were at the last snapshot, on all workers together. */
  readonly positions: readonly StoredPosition[];
  /** How keys are numbered in snapshots; `null` where none are taken. */
  readonly snapshots: KeyNumbering | null;
  /** How the run keeps its state; `null` where it does not. */
  readonly recovery: PlaceRecovery | null;
  /** Reaches the other workers; `null` where there are none. */
  readonly mesh: Mesh | null;
  /** Reaches the other tasks of a group; `null` or absent if this is not a task. */
  readonly shuffle?: TaskShuffle | null;
}

/** Where a worker is that has come to its end. */
export interface FinalPositions {
  /** The last epoch that anything belongs to. */
  readonly epoch: Epoch;
  readonly positions: readonly StoredPosition[];
}

/** Runs one worker's share of a flow: `open`, `run`, then always `close`. */
export class Worker implements TaskHost {
  readonly workerIndex: WorkerIndex;
  readonly #graph: FlowGraph;
  readonly #plan: Plan;
  readonly #options: WorkerOptions;
  readonly #events: WorkerEvents;
  readonly #clock: RunClock;
  readonly #counter: FlowCounter;
  readonly #unseenLate: UnseenLate;
  readonly #loop: TaskLoop;
  readonly #abort = new AbortController();
  readonly #calls = new AbortController();
  readonly #io: WorkerIo;
  readonly #progress = new EpochProgress<Task>();
  readonly #alignment = new WorkerAlignment();
  #mesh: Mesh | null = null;
  #journal: Journal | null = null;
  #tasks: Tasks = {
    all: [],
    stages: [],
    sources: [],
    sinks: [],
    keyed: new Map(),
    stateful: [],
  };
  #stopping = false;
  #stopped = false;
  #inputFailed = false;

  /** Plans the flow; opens nothing yet. */
  constructor(graph: FlowGraph, options: WorkerOptions, events: WorkerEvents) {
    this.workerIndex = options.index;
    this.#graph = graph;
    this.#plan = options.part?.plan ?? planFlow(graph, options.count);
    this.#options = options;
    this.#events = events;
    this.#clock = new RunClock(options.clock, (ms) => {
      options.log.warn(
        "the machine's clock was set back: time goes on from where it was, a little slower until the " +
          "clock has caught up",
        { seconds: Math.round(ms / 1_000) },
      );
    });
    this.#loop = new TaskLoop(this.#clock);
    this.#io = new WorkerIo(this.#plan, {
      workerIndex: options.index,
      workerCount: options.count,
      opener: options.part?.opener,
      log: options.log,
      elapsed: () => this.#clock.elapsed(),
      signal: this.signal,
      fail: (error) => this.fail(error),
      inputFailed: (error) => this.inputFailed(error),
      alignmentOf: (stepId) => this.#alignment.input(stepId, options.index),
      requestStop: () => {
        if (!this.#stopping) this.#events.stopRequested();
      },
    });
    this.#counter = new FlowCounter(this.#plan);
    this.#unseenLate = new UnseenLate(this.#plan, this.#counter, options.log);
    if (options.index === 0 && !options.part) warnOfUnread(graph, options.log);
    graph.meters.warn = (text) => options.log.warn(text);
  }

  /** Aborted when the run fails or is stopped at once. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborted then too, and when a graceful stop has nearly used up its time. */
  get calls(): AbortSignal {
    return this.#calls.signal;
  }

  /** Whether the run came to its end by {@linkcode Worker.stop} rather than by its inputs' end. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Items in and out of each step so far. */
  counts(): StepCounts[] {
    return this.#counter.read();
  }

  /** How much has been read, where every input knows its end and all count the same. */
  progress(): Progress | null {
    return this.#io.progress();
  }

  /** As {@linkcode Journal.changedBytes}. */
  changedBytes(epoch: Epoch): number {
    return this.#journal?.changedBytes(epoch) ?? 0;
  }

  mayRead(epoch: Epoch): boolean {
    return this.#options.part?.mayRead(epoch) ?? true;
  }

  /** Answers a question about the state of its keys. */
  stateNow(question: StateQuestion): StateAnswer {
    return answerOf(question, [this.#tasks.keyed]);
  }

  /** The keys of its steps, of which others' may be asked for together. */
  get keyedSteps(): ReadonlyMap<StepId, KeysOfStep> {
    return this.#tasks.keyed;
  }

  /** What its inputs have not read, of each partition. */
  lag(): InputLag[] {
    return this.#io.lag(this.#clock.now());
  }

  /** What else operators want to know of it. */
  readings(): WorkerReadings {
    const eventTimes = this.#tasks.stateful.flatMap((task) => task.eventTime ?? []);
    return {
      lag: this.lag(),
      eventTimes,
      stages: this.#stages(),
      state: this.#stateReadings(),
      openWindows: this.#tasks.stateful.flatMap((task) => task.openWindows ?? []),
      outputs: this.#tasks.sinks.map(({ reading }) => reading),
      connections: this.#io.connections(),
    };
  }

  #stateReadings(): StateReading[] {
    return [...this.#tasks.keyed].map(([step, { keys }]) => ({
      step,
      keys: keys.size,
      bytes: this.#journal?.sizeOf(step).of(keys.size) ?? null,
    }));
  }

  #stages(): StageReading[] {
    const { all, stages } = this.#tasks;
    const { tasks, ms } = this.#loop.times();
    const parts = all.map(({ queued }, i) => ({ ...stages[i], queued }));
    return tasks.length === 0 ? [] : readStages(parts, tasks, ms);
  }

  /** What users have measured in their own code. */
  measured(): readonly MeasuredMetric[] {
    return this.#graph.meters.read();
  }

  /** What the inputs and outputs cannot go on without at the moment, each once. */
  waitingFor(): string[] {
    return this.#io.waitingFor();
  }

  /**
   * Has the inputs plan how they are shared out; on one worker, for all.
   *
   * @param positions Where inputs were at the last snapshot.
   * @param recovery How the run keeps its state; `null` where it does not.
   * @throws {StepError} If one cannot.
   */
  plan(
    positions: readonly StoredPosition[],
    recovery: PlaceRecovery | null,
  ): Promise<InputPlans> {
    return this.#io.plan(positions, recovery);
  }

  /**
   * Opens the outputs, then the inputs.
   *
   * @throws {StepError} If one cannot be opened. What is open by then is closed by `close`.
   */
  async open(start: WorkerStart): Promise<void> {
    const { epoch, plans, positions, snapshots, recovery, mesh, shuffle = null } = start;
    this.#mesh = mesh;
    if (snapshots !== null) {
      this.#journal = new Journal(this.#options, snapshots, (epoch, chunk) => {
        this.#events.stateChanged(epoch, chunk);
      });
    }
    await this.#io.open(plans, positions, recovery);
    this.#tasks = assemble({
      plan: this.#plan,
      readers: this.#io.readers,
      writers: this.#io.writers,
      counter: this.#counter,
      host: this,
      log: this.#options.log,
      traces: this.#options.traces ?? null,
      alignment: this.#alignment,
      // A task has no peers: what it knows of others comes through the log.
      workerCount: shuffle === null ? this.#options.count : 1,
      mesh,
      shuffle,
      epoch,
    });
    this.#progress.begin(this.#tasks.all, epoch);
    if (snapshots !== null) await this.#begin(epoch - 1, positions);
    mesh?.start(this);
  }

  /**
   * Puts back keys of a step, as a snapshot has them. Before `run`.
   *
   * @throws {StepError} If the step makes nothing of them.
   */
  restore(step: StepId, keys: Iterable<StoredKey>): void {
    const table = this.#tasks.keyed.get(step)!;
    const size = this.#journal?.sizeOf(step);
    for (const { id, key, state } of keys) {
      try {
        table.restore(key, id, decodeValue(state));
        size?.restored(state.length);
      } catch (thrown) {
        throw stepError({ stepId: step }, this, new ItemError({ key }, { cause: thrown }));
      }
    }
  }

  /**
   * Records where inputs and outputs are before anything is read or written. So the next run knows
   * what this one has left, and where it began.
   */
  async #begin(epoch: Epoch, resume: readonly StoredPosition[]): Promise<void> {
    for (const task of this.#tasks.stateful) {
      task.begin(epoch, positionsOf(task.stepId, "time", resume));
    }
    for (const source of this.#tasks.sources) {
      source.begin(epoch, positionsOf(source.stepId, "time", resume));
    }
    for (const sink of this.#tasks.sinks) {
      try {
        await sink.begin(epoch);
      } catch (thrown) {
        throw stepError(sink, this, thrown);
      }
    }
  }

  /** Where inputs and outputs are at the end of an epoch. */
  positionsAt(epoch: Epoch): readonly StoredPosition[] {
    return this.#journal?.positionsAt(epoch) ?? [];
  }

  /** The epoch that this worker is in, and where its inputs and outputs are now. */
  finalPositions(): FinalPositions {
    const { epoch } = this.#progress;
    for (const sink of this.#tasks.sinks) sink.takeSettled(); // these are the newest
    return { epoch, positions: this.positionsAt(epoch) };
  }

  /**
   * The same, if an output has other positions since this was asked last: after its last commit.
   * Else `null`.
   */
  settledPositions(): FinalPositions | null {
    const hasSettled = this.#tasks.sinks.some((sink) => sink.takeSettled());
    return hasSettled ? this.finalPositions() : null;
  }

  /**
   * Runs until all inputs have ended, or until a graceful stop, and everything is out and durable.
   *
   * @throws {StepError} If a step fails.
   */
  async run(): Promise<void> {
    const { all } = this.#tasks;
    try {
      await this.#loop.run(all, () => this.#progress.isOver, () => this.#mesh?.flush());
    } catch (thrown) {
      this.fail(thrown);
      throw thrown;
    }
    this.#unseenLate.tell(true);
  }

  /**
   * Has the sources end an epoch. Other workers may have been told before this one. Then their
   * barriers are here already, and tasks that are downstream of those only may have passed.
   */
  trigger(epoch: Epoch): void {
    for (const source of this.#tasks.sources) source.trigger(epoch);
    this.wake();
  }

  /** The epoch has been committed: outputs make it visible, inputs tell how far they are. */
  async commit(epoch: Epoch): Promise<void> {
    await Promise.race([
      Promise.all([...this.#tasks.sinks, ...this.#tasks.sources].map((task) => task.commit(epoch))),
      this.#aborted(),
    ]);
    this.#loop.throwFailure();
  }

  /** Warns of the steps that hold up the end of an epoch, which has been closing for `ms`. */
  stillClosing(epoch: Epoch, ms: number): void {
    const { log } = this.#options;
    warnOfOpenEpoch(log, this.#graph, this.#progress.openIn(epoch), { epoch, ms });
  }

  /** Stops reading; what has been read is worked off, and state stays as it is. */
  stop(): void {
    this.#stopping = true;
    for (const source of this.#tasks.sources) source.stop();
    this.wake();
  }

  /** Tells what steps are waiting for to end: a graceful stop has nearly used up its time. */
  giveUp(): void {
    const reason = "the run is being stopped, and its time is nearly over";
    this.#calls.abort(new DOMException(reason, "AbortError"));
  }

  /** The steps that have not come to their end, in the order they were written. */
  get left(): LeftStep[] {
    return openSteps(this.#graph, this.#progress.left);
  }

  /**
   * Closes all inputs, outputs and channels. What does not close in time is left behind, with a
   * warning.
   */
  async close(): Promise<void> {
    if (this.#inputFailed) this.#abort.abort();
    const { sinks } = this.#tasks;
    await this.#io.close(async (output) => {
      await sinks.find(({ stepId }) => stepId === output)?.settled();
    });
    this.#mesh?.close();
  }

  get pace(): Pace {
    return this.#loop.pace;
  }

  get journal(): Journal | null {
    return this.#journal;
  }

  get clock(): RunClock {
    return this.#clock;
  }

  now(): number {
    return this.#clock.now();
  }

  elapsed(): number {
    return this.#clock.elapsed();
  }

  wake(): void {
    this.#loop.wake();
  }

  fail(error: unknown): void {
    if (!this.#loop.fail(error)) return;
    this.#abort.abort();
    this.#calls.abort();
  }

  gaveUp(): void {
    this.#events.gaveUp();
  }

  inputFailed(error: StepError): void {
    const isOpening = this.#tasks.all.length === 0;
    if (this.#journal !== null || isOpening) this.fail(error);
    else {
      this.#inputFailed = true;
      this.#events.inputFailed(error);
    }
  }

  passed(task: Task): void {
    this.#progress.passed(task);
    this.#acknowledge();
  }

  ended(task: Task, stopped: boolean): void {
    this.#progress.ended(task);
    this.#stopped ||= stopped;
    this.#acknowledge();
  }

  /** Reports the epochs that are over for all tasks, whatever this worker has been told by then. */
  #acknowledge(): void {
    for (let epoch; (epoch = this.#progress.takeClosed()) !== null;) {
      this.#unseenLate.tell(false);
      this.#events.acknowledge(epoch, this.positionsAt(epoch));
    }
  }

  #aborted(): Promise<void> {
    return new Promise((resolve) => {
      if (this.signal.aborted) resolve();
      else this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}
