import { StepError } from "../../core/errors.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { ConnectionReading } from "../../core/connection_reading.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { StateAnswer, StateQuestion } from "../../ops/state_question.ts";
import { RunLog } from "../../ops/run_log.ts";
import type {
  EpochView,
  RunOutcome,
  RunPhase,
  RunSource,
  RunView,
  WorkerView,
} from "../../ops/run_view.ts";
import type { FlowDescription } from "../flow_description.ts";
import type { CommitCost } from "../run/run_settings.ts";
import type { WorkerStatus } from "../run/worker_port.ts";
import type { WorkerReadings } from "../worker_readings.ts";

/** How many epochs are kept. */
const MOST_EPOCHS = 40;

/** What a worker process uses, in bytes. */
export interface Memory {
  /** Resident memory of the process. */
  readonly rss: number;
  /** JavaScript heap in use. */
  readonly heapUsed: number;
}

/** A worker, as far as its process is concerned. */
export interface MonitoredWorker {
  readonly status: WorkerStatus | null;
  /** `null` until the worker has told. */
  readonly memory: Memory | null;
  readonly readings: WorkerReadings;
  /** What users have measured in it. */
  readonly measured: readonly MeasuredMetric[];
  /** Questions in a row that it has not answered. */
  readonly unanswered: number;
}

/** Notes what happens to a run and to those that follow it after failures, for the port. */
export class RunMonitor implements RunSource {
  readonly now: () => number;
  readonly #intervalMs: number;
  #phase: RunPhase = "starting";
  #isReloading = false;
  #flow: FlowDescription | null = null;
  #restarts = 0;
  readonly #stepRestarts = new Map<StepId, number>();
  #workers: () => readonly MonitoredWorker[] = () => [];
  #ask: RunSource["ask"] = () => Promise.reject(new Error("the flow does not run yet"));
  #storeConnections: () => readonly ConnectionReading[] = () => [];
  #epoch: RunView["epoch"] = null;
  #closingSince = 0;
  #waiting: RunView["waiting"] = null;
  #epochs: readonly EpochView[] = [];
  #outcome: RunOutcome | null = null;
  #waitsForChange = false;
  /** The last lines of the log, and the last errors. */
  readonly log: RunLog = new RunLog(() => Date.now());

  /**
   * @param intervalMs The least length of an epoch, in milliseconds.
   * @param now Returns milliseconds of a clock that nobody sets.
   */
  constructor(intervalMs: number, now: () => number = () => performance.now()) {
    this.#intervalMs = intervalMs;
    this.now = now;
  }

  /**
   * A run begins, the first or another one.
   *
   * @param workers Returns what is known of them.
   * @param ask Asks one.
   * @param storeConnections Returns the connections of the recovery store.
   */
  begins(
    workers: () => readonly MonitoredWorker[],
    ask: RunSource["ask"],
    storeConnections: () => readonly ConnectionReading[] = () => [],
  ): void {
    this.#ask = ask;
    this.#storeConnections = storeConnections;
    this.#phase = "starting";
    this.#isReloading = false;
    this.#waitsForChange = false;
    this.#workers = workers;
    this.#epoch = null;
    this.#epochs = [];
    this.#waiting = null;
  }

  /** All workers have the flow. */
  loaded(flow: FlowDescription): void {
    this.#flow = flow;
  }

  /** Items move. The age of epochs counts from now on. */
  runs(epoch: Epoch): void {
    this.#phase = "running";
    this.closes();
    this.committed(epoch - 1, { ms: 0, bytes: 0 });
    this.#epochs = [];
  }

  /** An epoch is to end. */
  closes(): void {
    this.#closingSince = this.now();
  }

  /** It has been committed. */
  committed(epoch: Epoch, { ms: storeMs, bytes }: CommitCost): void {
    const at = this.now();
    const ms = at - this.#closingSince;
    const alignMs = Math.max(0, ms - storeMs);
    this.#epoch = { epoch, at, ms, alignMs, storeMs, bytes, intervalMs: this.#intervalMs };
    this.#epochs = [...this.#epochs.slice(-(MOST_EPOCHS - 1)), this.#epoch];
  }

  /** A worker has said how it stands. */
  onStatus(): void {
    const what = new Set(this.#workers().flatMap(({ status }) => status?.waitingFor ?? []));
    if (what.size === 0) this.#waiting = null;
    else this.#waiting = { what: [...what], since: this.#waiting?.since ?? this.now() };
  }

  /** The run is being stopped. */
  stops(): void {
    if (!this.#isReloading) this.#phase = "stopping";
  }

  /** The run ends now, and one with new code follows. */
  reloads(): void {
    this.#phase = "reloading";
    this.#isReloading = true;
  }

  /** The run has failed with this error, and another one follows after a pause. */
  restarts(error: unknown): void {
    this.#phase = "restarting";
    this.#restarts++;
    if (!(error instanceof StepError)) return;
    const { stepId } = error;
    this.#stepRestarts.set(stepId, (this.#stepRestarts.get(stepId) ?? 0) + 1);
  }

  /** The run has ended without an error, and no run follows. */
  ends(): void {
    if (this.#isReloading) return;
    this.#outcome = this.#phase === "stopping" ? "stopped" : "finished";
    this.#phase = "over";
  }

  /** The run has failed, and no run follows. */
  fails(): void {
    if (this.#isReloading) return;
    this.#outcome = "failed";
    this.#phase = "over";
  }

  /** No run follows until the code of the flow changes. */
  waitsForChange(): void {
    this.#waitsForChange = true;
  }

  ask(worker: WorkerIndex, question: StateQuestion): Promise<StateAnswer> {
    return this.#ask(worker, question);
  }

  view(): RunView {
    return {
      phase: this.#phase,
      flow: this.#flow?.name ?? null,
      graph: this.#flow,
      restarts: this.#restarts,
      stepRestarts: [...this.#stepRestarts].map(([step, count]) => ({ step, count })),
      workers: this.#workers().map(viewOf),
      epoch: this.#epoch,
      storeConnections: this.#storeConnections(),
      waiting: this.#waiting,
      group: null,
      past: {
        outcome: this.#outcome,
        epochs: this.#epochs,
        lines: this.log.lines,
        errors: this.log.errors,
        waitsForChange: this.#waitsForChange,
      },
    };
  }
}

function viewOf(worker: MonitoredWorker): WorkerView {
  const { status, memory, readings, measured, unanswered } = worker;
  // Readings come first: they are a message of the worker, with older counts of steps in it.
  return { ...readings, unanswered, steps: status?.steps ?? [], memory, measured };
}
