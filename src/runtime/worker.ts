/**
 * One worker: its share of a flow, from opening it to closing it, and the epochs in between.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import { ItemError, messageOf, type StepError } from "../core/errors.ts";
import { RunClock } from "../core/run_clock.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { decodeValue } from "../core/value_codec.ts";
import { within } from "../core/promises.ts";
import type { InputReader, OutputWriter, Place, Positions, Progress } from "../graph/contracts.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { CaptureNode, InputNode, StateKind, StepNode } from "../graph/nodes.ts";
import type { PositionRole, StateChunk, StoredKey, StoredPosition } from "../recovery/store.ts";
import { assemble, type Tasks } from "./assembly.ts";
import { FlowCounter, type StepCounts } from "./counts.ts";
import { Journal, positionsOf } from "./journal.ts";
import type { KeyNumbering } from "./key_ids.ts";
import type { Mesh } from "./exchange/mesh.ts";
import type { Pace } from "./pace.ts";
import { goesByTime, idOf, type Plan, planFlow } from "./plan.ts";
import type { FlowSteps } from "./step_changes.ts";
import type { LeftStep } from "./stop_limit.ts";
import { stepError } from "./step_error.ts";
import { TaskLoop } from "./task_loop.ts";
import type { Task, TaskHost } from "./tasks/task.ts";
import { UnseenLate } from "./unseen_late.ts";
import { warnOfUnread } from "./unread.ts";

/** How long inputs and outputs get to close before the worker goes on without them. */
const CLOSE_MS = 5_000;

interface Closable {
  close(): Promise<void>;
}

/** How the inputs that plan it are shared out, by step. */
export type InputPlans = Readonly<Record<StepId, unknown>>;

/** What a worker tells whoever coordinates it. */
export interface WorkerEvents {
  /** Keys have changed in an epoch that is about to be closed. */
  stateChanged(epoch: Epoch, chunk: StateChunk): void;
  /** All of the epoch is out and durable; inputs and outputs are where `positions` says. */
  epochClosed(epoch: Epoch, positions: readonly StoredPosition[]): void;
  /** A step asks for a graceful stop of the whole run. */
  stopRequested(): void;
  /**
   * An input has failed, and no snapshot keeps what was read before: the whole run is to be stopped
   * gracefully, and then to fail with this error.
   */
  inputFailed(error: StepError): void;
  /** A step could not finish its work after {@linkcode Worker.giveUp}: the stop cannot be completed. */
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
  /** Reaches the other workers; `null` where there are none. */
  readonly mesh: Mesh | null;
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
  readonly #readers = new Map<InputNode, InputReader<unknown>>();
  readonly #writers = new Map<CaptureNode, OutputWriter<unknown>>();
  readonly #next = new Map<Task, Epoch>(); // the first epoch that a task has not passed yet
  readonly #ended = new Set<Task>();
  #mesh: Mesh | null = null;
  #journal: Journal | null = null;
  #epoch: Epoch = 0; // the first that has not been reported closed
  #reached: Epoch = 0; // the first that no task has passed yet
  #tasks: Tasks = { all: [], sources: [], sinks: [], keyed: new Map(), stateful: [] };
  #stopping = false;
  #stopped = false;
  #inputFailed = false;

  /** Plans the flow; opens nothing yet. */
  constructor(graph: FlowGraph, options: WorkerOptions, events: WorkerEvents) {
    this.workerIndex = options.index;
    this.#graph = graph;
    this.#plan = planFlow(graph, options.count);
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
    this.#counter = new FlowCounter(this.#plan);
    this.#unseenLate = new UnseenLate(this.#plan, this.#counter, options.log);
    if (options.index === 0) warnOfUnread(graph, options.log);
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
    let sum: Progress | undefined;
    for (const reader of this.#readers.values()) {
      const progress = reader.progress?.() ?? null;
      if (progress === null || (sum !== undefined && sum.unit !== progress.unit)) return null;
      const { done, total } = sum ?? { done: 0, total: 0 };
      sum = { ...progress, done: done + progress.done, total: total + progress.total };
    }
    return sum ?? null;
  }

  /** What the inputs and outputs cannot go on without at the moment, each once. */
  waitingFor(): string[] {
    const all = [...this.#readers.values(), ...this.#writers.values()]
      .map((each) => each.waitingFor?.() ?? null);
    return [...new Set(all.filter((what) => what !== null))];
  }

  /**
   * Has the inputs plan how they are shared out; on one worker, for all.
   *
   * @param positions Where inputs were at the last snapshot.
   * @throws {StepError} If one cannot.
   */
  async plan(positions: readonly StoredPosition[]): Promise<InputPlans> {
    const plans: Record<StepId, unknown> = Object.create(null);
    for (const node of this.#inputNodes()) {
      const { config } = node;
      if (config.plan === undefined) continue;
      const resume = this.#resumeOf(node, "input", positions);
      const plan = () => config.plan!(this.#place(node), resume);
      plans[idOf(this.#plan, node)] = await this.#guard(node, plan);
    }
    return plans;
  }

  /**
   * Opens the outputs, then the inputs.
   *
   * @throws {StepError} If one cannot be opened. What is open by then is closed by `close`.
   */
  async open({ epoch, plans, positions, snapshots, mesh }: WorkerStart): Promise<void> {
    this.#mesh = mesh;
    this.#epoch = this.#reached = epoch;
    if (snapshots !== null) {
      this.#journal = new Journal(this.#options, snapshots, (epoch, chunk) => {
        this.#events.stateChanged(epoch, chunk);
      });
    }
    for (const node of this.#plan.captures) {
      const resume = this.#resumeOf(node, "output", positions);
      const open = () => node.config.open(this.#place(node), resume);
      this.#writers.set(node, await this.#guard(node, open) as OutputWriter<unknown>);
    }
    for (const node of this.#inputNodes()) {
      const plan = plans[idOf(this.#plan, node)];
      const resume = this.#resumeOf(node, "input", positions);
      const open = () => node.config.open({ ...this.#place(node), plan }, resume);
      this.#readers.set(node, await this.#guard(node, open));
    }
    this.#tasks = assemble({
      plan: this.#plan,
      readers: this.#readers,
      writers: this.#writers,
      counter: this.#counter,
      host: this,
      workerCount: this.#options.count,
      mesh,
      epoch,
    });
    for (const task of this.#tasks.all) this.#next.set(task, epoch);
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
    for (const { id, key, state } of keys) {
      try {
        table.restore(key, id, decodeValue(state));
      } catch (thrown) {
        throw stepError({ stepId: step }, this, new ItemError({ key }, { cause: thrown }));
      }
    }
  }

  /** The steps that may have something stored. */
  get storedSteps(): FlowSteps {
    const of = (kind: StepNode["kind"]) =>
      this.#graph.nodes.filter((node) => node.kind === kind).map((node) => idOf(this.#plan, node));
    const kinds: Record<StepId, StateKind> = Object.create(null);
    for (const node of this.#graph.nodes) {
      if (node.kind !== "stateful" || node.stateKind === undefined) continue;
      kinds[idOf(this.#plan, node)] = node.stateKind;
    }
    return {
      keyed: of("stateful"),
      kinds: { ...kinds },
      inputs: of("input"),
      outputs: of("capture"),
    };
  }

  /**
   * Where inputs and outputs are at the beginning, to be stored before anything is read or written: so
   * whatever a run leaves behind, the next one knows of it, and where this one began.
   */
  async #begin(epoch: Epoch, resume: readonly StoredPosition[]): Promise<void> {
    for (const task of this.#tasks.stateful) {
      task.begin(epoch, positionsOf(task.stepId, "time", resume));
    }
    for (const source of this.#tasks.sources) source.begin(epoch);
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
  finalPositions(): { epoch: Epoch; positions: readonly StoredPosition[] } {
    return { epoch: this.#epoch, positions: this.positionsAt(this.#epoch) };
  }

  /**
   * Runs until all inputs have ended, or until a graceful stop, and everything is out and durable.
   *
   * @throws {StepError} If a step fails.
   */
  async run(): Promise<void> {
    const { all } = this.#tasks;
    try {
      await this.#loop.run(all, () => this.#ended.size === all.length, () => this.#mesh?.flush());
    } catch (thrown) {
      this.fail(thrown);
      throw thrown;
    }
    this.#unseenLate.tell(true);
  }

  /**
   * Has the sources end an epoch. Other workers may have been told before this one: then their
   * barriers are here already, and tasks that are downstream of those only may have passed.
   */
  closeEpoch(epoch: Epoch): void {
    for (const source of this.#tasks.sources) source.closeEpoch(epoch);
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

  /**
   * Says which step holds up the end of an epoch that has been closing for `ms`, and which others wait.
   * Those before it may have no room, and those behind it have not come to the end of the epoch.
   */
  stillClosing(epoch: Epoch, ms: number): void {
    const open = this.#tasks.all.filter((task) =>
      !this.#ended.has(task) && this.#next.get(task)! <= epoch
    );
    if (open.length === 0) return; // it has come to its end meanwhile
    const first = open.at(-1)!;
    const { stepId: step, isBusy } = open.find((task) => task.isBusy) ?? first;
    const waiting = this.#inOrder(open).map((each) => each.step).filter((each) => each !== step);
    const message = isBusy === false
      ? "an epoch is still closing: this worker waits for others"
      : "an epoch is still closing";
    this.#options.log.warn(message, {
      epoch,
      step,
      ...waiting.length === 0 ? {} : { stepsWaiting: waiting.join() },
      seconds: ms / 1000,
    });
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
    return this.#inOrder(this.#tasks.all.filter((task) => !this.#ended.has(task)));
  }

  /** The steps of tasks, in the order they were written. */
  #inOrder(tasks: readonly Task[]): LeftStep[] {
    const order = [...this.#graph.ids.values()];
    const left = new Map<StepId, number>();
    for (const task of tasks) {
      left.set(task.stepId, (left.get(task.stepId) ?? 0) + (task.inFlight ?? 0));
    }
    return Array.from(left, ([step, inFlight]) => ({ step, inFlight }))
      .sort((a, b) => order.indexOf(a.step) - order.indexOf(b.step));
  }

  /** Closes all inputs, outputs and channels. What does not close in time is left behind, with a warning. */
  async close(): Promise<void> {
    if (this.#inputFailed) this.#abort.abort();
    await Promise.all([
      ...[...this.#readers].map(([node, reader]) => this.#close(node, reader)),
      ...[...this.#writers].map(async ([node, writer]) => {
        const stepId = idOf(this.#plan, node);
        const sink = this.#tasks.sinks.find((sink) => sink.stepId === stepId);
        if (sink !== undefined) await within(sink.idle(), CLOSE_MS); // its calls never overlap
        await this.#close(node, writer);
      }),
    ]);
    this.#mesh?.close();
  }

  async #close(node: StepNode, closable: Closable): Promise<void> {
    const { log } = this.#options;
    const stepId = idOf(this.#plan, node);
    try {
      if (await within(closable.close(), CLOSE_MS)) return;
      log.warn(`step "${stepId}" did not close within ${CLOSE_MS / 1000} s`);
    } catch (thrown) {
      log.warn(`step "${stepId}" failed to close: ${messageOf(thrown)}`);
    }
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
    const next = this.#next.get(task)! + 1; // tasks pass every epoch, one by one
    this.#next.set(task, next);
    this.#reached = Math.max(this.#reached, next);
    this.#reportEpochs();
  }

  ended(task: Task, stopped: boolean): void {
    this.#ended.add(task);
    this.#stopped ||= stopped;
    this.#reportEpochs();
  }

  /**
   * Reports the epochs that some task has passed and that are over for all. That does not depend on
   * when this worker is told to close them. The epoch that the last tasks end in is not one of them:
   * it goes with the report of the run's end.
   */
  #reportEpochs(): void {
    const isOver = (task: Task) => this.#ended.has(task) || this.#next.get(task)! > this.#epoch;
    while (this.#epoch < this.#reached && this.#tasks.all.every(isOver)) {
      const epoch = this.#epoch++;
      this.#unseenLate.tell(false);
      this.#events.epochClosed(epoch, this.positionsAt(epoch));
    }
  }

  #aborted(): Promise<void> {
    return new Promise((resolve) => {
      if (this.signal.aborted) resolve();
      else this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #inputNodes(): InputNode[] {
    return this.#graph.nodes.filter((node) => node.kind === "input");
  }

  #resumeOf(
    node: StepNode,
    role: PositionRole,
    positions: readonly StoredPosition[],
  ): Positions {
    return positionsOf(idOf(this.#plan, node), role, positions);
  }

  #place(node: StepNode): Place {
    const stepId = idOf(this.#plan, node);
    const fail = node.kind === "input"
      ? (error: StepError) => this.inputFailed(error)
      : (error: StepError) => this.fail(error);
    return {
      stepId,
      workerIndex: this.workerIndex,
      workerCount: this.#options.count,
      byTime: goesByTime(this.#graph),
      signal: this.signal,
      log: this.#options.log,
      fail: (error) => fail(stepError({ stepId }, this, error)),
      stop: () => {
        if (!this.#stopping) this.#events.stopRequested();
      },
    };
  }

  async #guard<R>(node: StepNode, open: () => Promise<R>): Promise<R> {
    try {
      return await open();
    } catch (thrown) {
      const error = stepError({ stepId: idOf(this.#plan, node) }, this, thrown);
      this.fail(error);
      throw error;
    }
  }
}
