/**
 * One task of a process, from its restore to the commit of all that it did.
 *
 * ```text
 *   restoring ──state is there──▶ running ──giveUp──▶ stopping ──its end is committed──▶ gone
 *       └───────giveUp──────────────────────────────────────────────────────────────────▶ gone
 * ```
 *
 * A task is a worker of its own, on its part of the flow. It counts its own epochs, from 0. Its
 * epoch 0 is the one of the process that is open when its state is there.
 *
 * @module
 */
import { StepError } from "../../core/errors.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { StepNode } from "../../graph/nodes.ts";
import {
  type RestoredTask,
  type RestoreProgress,
  SHUFFLE_STEP,
  type ShuffleBatch,
  type ShuffleReader,
  type TaskEpoch,
  UnrestorableError,
} from "../../group/log.ts";
import type { StateChunk, StoredPosition } from "../../recovery/store.ts";
import type { StepCounts } from "../counts.ts";
import type { KeysOfStep } from "../live_state.ts";
import { positionsOf } from "../journal.ts";
import { goesByTime } from "../plan.ts";
import { Worker } from "../worker.ts";
import type { WorkerReadings } from "../worker_readings.ts";
import type { FlowPart } from "./cut_flow.ts";
import { ExchangeNumbers } from "./exchange_numbers.ts";
import { withProcessEpochs } from "./process_epochs.ts";
import type { TaskProgress, TaskRunnerSettings, TaskStatus } from "./runner_settings.ts";
import type { TaskShuffle } from "./log_ends.ts";
import { ShardLog } from "./shard_log.ts";
import { ShuffleOut } from "./shuffle_out.ts";
import { TaskItems } from "./task_items.ts";
import { SamePositions } from "./same_positions.ts";
import type { WaitingBytes } from "./waiting_bytes.ts";

/** Who runs a task. */
export interface TaskHost {
  /** The task has its state, and is to join the open epoch. */
  ready(task: TaskRun): void;
  /** The task has acknowledged an epoch, or has ended. */
  advanced(): void;
  /** The task, and with it the process, has failed. */
  fail(error: unknown): void;
}

/** What a task did in an epoch. */
export interface TaskShare {
  readonly epoch: TaskEpoch;
  readonly shuffle: readonly ShuffleBatch[];
  /** Whether it read, wrote or changed anything. */
  readonly isChanged: boolean;
}

/** What the record of a key takes besides key and state, about, in bytes. */
const RECORD_BYTES = 48;

/** A shard that nobody sends to. */
const EMPTY: ShuffleReader = {
  next: () => null,
  ready: () => new Promise(() => {}),
  isCurrent: true,
  lag: 0,
  unreadable: (_, cause) => cause,
  close() {},
};

/** Runs one task: `start`, then `join` and epochs; at last always `close`. */
export class TaskRun {
  readonly task: TaskId;
  readonly #settings: TaskRunnerSettings;
  readonly #part: FlowPart;
  readonly #partition: number;
  readonly #host: TaskHost;
  readonly #out: ShuffleOut;
  readonly #numbers: ExchangeNumbers;
  readonly #worker: Worker;
  readonly #committed = new SamePositions();
  readonly #items: TaskItems;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #reader: ShardLog | null = null;
  #changes: { epoch: Epoch; chunk: StateChunk }[] = [];
  readonly #waiting: WaitingBytes;
  #expected = { epoch: -1, bytes: 0 }; // of states that have no snapshot yet
  #phase: TaskStatus["phase"] = "restoring";
  #restored: RestoreProgress | null = null;
  #opening: Promise<void> = Promise.resolve(); // inputs and outputs
  #first: number | null = null; // the epoch of the process that is its epoch 0, once it has joined
  #acknowledged: { epoch: Epoch; positions: readonly StoredPosition[] } | null = null;
  #ended: { epoch: Epoch; positions: readonly StoredPosition[] } | null = null;
  readonly #written = new Set<Epoch>(); // epochs in which its outputs have been given items
  #shared: Epoch = -1; // the last epoch that a share of it has been taken of
  #isNew = false;
  #isClosed = false;

  /** Opens nothing yet. */
  constructor(
    task: TaskId,
    part: FlowPart,
    settings: TaskRunnerSettings,
    waiting: WaitingBytes,
    host: TaskHost,
  ) {
    const { cut, clock, log, traces, observer, groupLog } = settings;
    const { shards } = cut.topology;
    const partition = this.#partition = partsOf(task).partition;
    this.task = task;
    this.#part = part;
    this.#items = new TaskItems(part);
    this.#settings = settings;
    // A worker knows of no tasks, so its errors name a worker.
    this.#host = { ...host, fail: (error) => host.fail(ofTask(task, error)) };
    this.#numbers = new ExchangeNumbers(cut.topology.exchanges);
    const receiverOf = (exchange: number) => cut.exchanges[exchange].to;
    const limitOf = (subtopology: string) => groupLog.recordLimit(subtopology);
    this.#out = new ShuffleOut(task, { receiverOf, shards, limitOf }, waiting);
    this.#waiting = waiting;
    this.#gone.promise.catch(() => {}); // nobody may wait for it
    this.#worker = new Worker(cut.graph, {
      index: partition,
      count: Math.max(shards, partition + 1),
      clock,
      log,
      traces,
      part: {
        plan: part.plan,
        mayRead: (epoch) => this.#mayRead(epoch),
        opener: {
          input: (config, at, resume) => groupLog.openInput(config, partition, at, resume),
          output: async (config, at, resume) =>
            withProcessEpochs(
              await groupLog.openOutput(config, at, resume, waiting),
              () => this.#first,
            ),
        },
      },
    }, {
      stateChanged: (epoch, chunk) => this.#stateChanged(epoch, chunk),
      acknowledge: (epoch, positions) => {
        this.#acknowledged = { epoch, positions };
        host.advanced();
      },
      stopRequested: () => observer?.stopRequested?.(),
      inputFailed: (error) => this.#host.fail(error),
      gaveUp: () => this.#host.fail(new Error(`task ${task} could not finish its work`)),
    });
  }

  /** Whether there is room for more in an epoch: states that have changed take some of it. */
  #mayRead(epoch: Epoch): boolean {
    this.#expectState(epoch, this.#worker.changedBytes(epoch));
    return this.#waiting.roomIn(this.#first! + epoch) > 0;
  }

  /** Snapshots of an epoch are going to have about this many bytes. */
  #expectState(epoch: Epoch, bytes: number): void {
    const before = this.#expected.epoch === epoch ? this.#expected.bytes : 0;
    if (bytes === before) return;
    this.#expected = { epoch, bytes };
    this.#waiting.addState(this.#first! + epoch, bytes - before);
  }

  #stateChanged(epoch: Epoch, chunk: StateChunk): void {
    this.#changes.push({ epoch, chunk });
    if (this.#expected.epoch === epoch) this.#expectState(epoch, 0);
    this.#waiting.addState(this.#first! + epoch, bytesOf(chunk));
  }

  /** Resolves when nothing of it is open any more; rejects if the runner failed before. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  get progress(): TaskProgress {
    const restored = this.#phase === "restoring" ? this.#restored : null;
    return { task: this.task, phase: this.#phase, restored };
  }

  get status(): TaskStatus {
    return {
      ...this.progress,
      lag: this.#reader?.lag ?? 0,
      inputLag: this.#worker.lag().reduce((sum, { items }) => sum + items, 0),
      ...this.#items.read(this.counts()),
    };
  }

  /** Whether nothing of it has ever been committed. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Whether it is to be given up. */
  get isStopping(): boolean {
    return this.#phase === "stopping";
  }

  /** Whether all that it did is there to be committed, and nothing follows. */
  get hasEnded(): boolean {
    return this.#ended !== null;
  }

  /** Whether its state is there. */
  get hasState(): boolean {
    return this.#first !== null && !this.#isClosed;
  }

  get keyedSteps(): ReadonlyMap<StepId, KeysOfStep> {
    return this.#worker.keyedSteps;
  }

  counts(): StepCounts[] {
    return this.#worker.counts();
  }

  readings(): WorkerReadings {
    return this.#worker.readings();
  }

  waitingFor(): string[] {
    return this.#worker.waitingFor();
  }

  /** Restores its state; then the host is told that it is ready. */
  start(): void {
    this.#restore().catch((thrown) => {
      if (!this.#isGivenUp) this.#host.fail(this.#withSteps(thrown));
    });
  }

  /** Users know their steps, and not what a task has of them. */
  #withSteps(error: unknown): unknown {
    if (!(error instanceof UnrestorableError)) return error;
    const ids = this.#steps().filter(({ node }) => node.kind === "stateful").map(({ id }) => id);
    if (ids.length === 0) return error; // the message has the task, and its name the input's
    const steps = `step${ids.length === 1 ? "" : "s"} ${ids.map((id) => `"${id}"`).join(", ")}`;
    return new UnrestorableError(`${steps}: ${error.message}`, { cause: error });
  }

  async #restore(): Promise<void> {
    const { groupLog, observer, intervalMs } = this.#settings;
    const restored = await groupLog.restore(this.task, (progress) => {
      this.#restored = progress;
      observer?.restoring?.(this.task, progress);
    });
    if (this.#isGivenUp) return;
    const { positions } = restored;
    this.#committed.set(positions);
    this.#isNew = positions.length === 0;
    const onWrite = (epoch: Epoch) => void this.#written.add(epoch);
    const tasksOf = await this.#countTasks();
    if (this.#isGivenUp) return;
    const shuffle = { out: this.#out, onWrite, tasksOf, ...this.#openShuffle(positions) };
    await (this.#opening = this.#worker.open({
      epoch: 0,
      plans: {},
      positions,
      snapshots: { firstId: 0, byKey: true },
      recovery: { intervalMs },
      mesh: null,
      shuffle,
    }));
    await this.#restoreKeys(restored);
    if (this.#isGivenUp) return;
    // Outputs have prepared what they begin with. All of that is in the last commit already.
    await this.#worker.commit(-1);
    if (!this.#isGivenUp) this.#host.ready(this);
  }

  /** Returns how many tasks run the part of each step, where a step goes by event time. */
  async #countTasks(): Promise<(node: StepNode) => number> {
    const { cut: { graph, parts, topology: { shards } }, groupLog } = this.#settings;
    const counts = new Map<StepNode, number>(); // by the head of a stage
    if (goesByTime(graph)) {
      for (const { sourceTopics, hasShuffle, plan } of parts.values()) {
        const partitions = await Promise.all(
          sourceTopics.map((each) => groupLog.partitionsOf(each)),
        );
        const count = Math.max(hasShuffle ? shards : 0, ...partitions);
        for (const { head } of plan.stages) counts.set(head, count);
      }
    }
    return (node) => counts.get(this.#part.plan.stageOf.get(node)!)!;
  }

  get #isGivenUp(): boolean {
    return this.isStopping || this.#isClosed;
  }

  #openShuffle(
    positions: readonly StoredPosition[],
  ): Pick<TaskShuffle, "reader" | "from" | "resume" | "mostHeld"> {
    if (!this.#part.hasShuffle) return { reader: null, from: null, resume: new Map() };
    const at = positionsOf(SHUFFLE_STEP, "input", positions).get(SHUFFLE_STEP);
    const from = (at ?? null) as bigint | null;
    const resume = positionsOf(SHUFFLE_STEP, "time", positions) as TaskShuffle["resume"];
    const { cut, groupLog, mostHeld } = this.#settings;
    const isShard = this.#partition < cut.topology.shards;
    const open = (from: bigint | null) =>
      isShard ? this.#numbers.reading(groupLog.readShuffle(this.task, from)) : EMPTY;
    this.#reader = new ShardLog(open, from);
    return { reader: this.#reader, from, resume, ...mostHeld === undefined ? {} : { mostHeld } };
  }

  async #restoreKeys(restored: RestoredTask): Promise<void> {
    for await (const { step, keys } of restored.keys()) {
      if (this.#isGivenUp) return;
      this.#requireStep(step);
      this.#worker.restore(step, keys);
    }
  }

  /** The steps of its part, of the whole flow's. */
  #steps(): { readonly node: StepNode; readonly id: StepId }[] {
    const { graph, stages, stageOf } = this.#part.plan;
    const heads = new Set(stages.map(({ head }) => head));
    return graph.nodes.filter((node) => heads.has(stageOf.get(node)!))
      .map((node) => ({ node, id: graph.ids.get(node)! }));
  }

  /** State of a step that is gone would be lost without a word, and come back with the step. */
  #requireStep(step: StepId): void {
    const isThere = this.#steps().some(({ node, id }) => node.kind === "stateful" && id === step);
    if (isThere) return;
    throw new UnrestorableError(
      `task ${this.task} has state of a step ${
        JSON.stringify(step)
      }, which is not in its part of ` +
        "the flow any more: give the step its id back, or begin with another group",
    );
  }

  /** Runs from an epoch of the process on. */
  join(epoch: number): void {
    this.#first = epoch;
    this.#out.begin(epoch);
    this.#phase = "running";
    this.#settings.observer?.started?.(this.task);
    this.#worker.run().then(
      () => {
        this.#ended = this.#worker.finalPositions();
        if (this.isStopping) this.#host.advanced();
        else this.#host.fail(new Error(`task ${this.task} has ended, though nobody stopped it`));
      },
      (thrown) => this.#host.fail(thrown),
    );
  }

  /** Whether it takes part in an epoch of the process. */
  isIn(epoch: number): boolean {
    return this.#first !== null && this.#first <= epoch;
  }

  /** Has it end an epoch of the process. */
  trigger(epoch: number): void {
    if (!this.hasEnded) this.#worker.trigger(this.#own(epoch));
  }

  /** Warns of the steps that hold up the end of an epoch, which has been closing for `ms`. */
  stillClosing(epoch: number, ms: number): void {
    if (!this.hasClosed(epoch)) this.#worker.stillClosing(this.#own(epoch), ms);
  }

  /** Whether it has done its part of an epoch. */
  hasClosed(epoch: number): boolean {
    return this.hasEnded || (this.#acknowledged?.epoch ?? -1) >= this.#own(epoch);
  }

  /** The number that an epoch of the process has here. */
  #own(epoch: number): Epoch {
    return epoch - this.#first!;
  }

  /** Returns what it did in an epoch, which it has closed; of one that has ended, all. */
  takeShare(epoch: number): TaskShare {
    const at = this.#ended ?? this.#acknowledged!;
    const through = this.#shared = this.#ended?.epoch ?? this.#own(epoch);
    const state = this.#changes.filter((change) => change.epoch <= through);
    this.#changes = this.#changes.filter((change) => change.epoch > through);
    const shuffle = this.#out.take(through);
    for (const { bytes } of shuffle) this.#numbers.toLog(bytes);
    const written = [...this.#written].filter((each) => each <= through);
    for (const each of written) this.#written.delete(each);
    const isChanged = state.length > 0 || shuffle.length > 0 || written.length > 0 ||
      !this.#committed.has(at.positions);
    this.#committed.set(at.positions);
    const { positions } = at;
    return {
      epoch: { task: this.task, positions, state: state.map(({ chunk }) => chunk) },
      shuffle,
      isChanged,
    };
  }

  /** Its last share has been committed. Resolves when outputs and inputs have followed. */
  async committed(): Promise<void> {
    await this.#worker.commit(this.#shared);
  }

  /** Ends it gracefully. One that is still being restored has nothing to commit. */
  giveUp(): void {
    if (this.isStopping) return;
    const isRestoring = this.#phase === "restoring";
    this.#phase = "stopping";
    if (isRestoring) void this.close();
    else this.#worker.stop();
  }

  /** Closes all that is open. Without `failure`, all that it did is committed. */
  async close(failure: unknown = null): Promise<void> {
    if (this.#isClosed) return await this.#gone.promise.catch(() => {});
    this.#isClosed = true;
    // What has ended by itself is closed as it is. What runs ends at once, or soon if it opens.
    const reason = failure ?? new Error(`task ${this.task} has been given up`);
    if (!this.hasEnded) this.#worker.fail(reason);
    await this.#opening.catch(() => reason);
    await this.#worker.close();
    this.#reader?.close();
    this.#settings.groupLog.release(this.task);
    if (failure === null) this.#gone.resolve();
    else this.#gone.reject(failure);
  }
}

/** What changed keys take in the log, about. */
function bytesOf({ ids, keys, states }: StateChunk): number {
  let bytes = states.length + ids.length * RECORD_BYTES;
  for (const key of keys ?? []) bytes += key.length;
  return bytes;
}

/** Names the task in the error of a step. */
function ofTask(task: TaskId, error: unknown): unknown {
  if (!(error instanceof StepError) || error.task !== undefined) return error;
  const { stepId, worker, item, origin, cause } = error;
  return new StepError({
    stepId,
    worker,
    task,
    ...item === undefined ? {} : { item },
    ...origin === undefined ? {} : { origin },
  }, cause);
}
