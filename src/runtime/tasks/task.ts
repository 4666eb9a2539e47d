/**
 * What the worker's loop runs.
 *
 * @module
 */
import type { StepError } from "../../core/errors.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { RunClock } from "../../core/run_clock.ts";
import type { Positions } from "../../graph/contracts.ts";
import type { Journal } from "../journal.ts";
import type { Pace } from "../pace.ts";

/** What keeps a task that has something to do from going on, if it is not itself. */
export type Waits =
  /** A full channel downstream. */
  | "room"
  /** Calls that it has made: it cannot make another one before. */
  | "calls"
  /** Nothing: it has nothing to do, or waits for the end of an epoch or for other inputs. */
  | null;

/** A piece of a flow that the worker's loop runs a step at a time. */
export interface Task {
  /** The step it stands for. */
  readonly stepId: StepId;
  /** Does one piece of work. Returns whether there was any. Never waits: what waits wakes later. */
  run(): boolean;
  /** What it waits for. Asked after a turn without work. */
  readonly waits: Waits;
  /** Items that wait in front of it, as far as it knows. */
  readonly queued: number;
  /** How many items it works on, besides those in its channels; absent if that is not known. */
  readonly inFlight?: number;
  /**
   * Whether it works on something, or waits for something outside of the flow. Otherwise it waits
   * for other tasks. Absent if that is not known.
   */
  readonly isBusy?: boolean;
  /**
   * When it has something to do by the run's clock, in milliseconds since the Unix epoch. Infinity
   * if it only waits.
   */
  wakeTime(): number;
}

/** A task that items come in through, and where epochs end therefore. */
export interface EpochSource extends Task {
  /** Notes where it is before a run's first epoch. `time`: what a snapshot has of its ticks. */
  begin(epoch: Epoch, time?: Positions): void;
  /** Ends an epoch after what has been read so far. */
  trigger(epoch: Epoch): void;
  /** Reads no more than what cannot be read again. */
  stop(): void;
  /** An epoch has been committed. Resolves when all who have to know have been told. */
  commit(epoch: Epoch): Promise<void>;
}

/** What a task tells the worker that runs it. */
export interface TaskHost {
  /** The worker's index. */
  readonly workerIndex: WorkerIndex;
  /** Aborted when the run fails or is stopped at once. */
  readonly signal: AbortSignal;
  /**
   * For what a task awaits. Aborted then too, and when a graceful stop has nearly used up its time.
   */
  readonly calls: AbortSignal;
  /** Collects each task's part of a snapshot; `null` if no snapshots are taken. */
  readonly journal: Journal | null;
  /** How much a task may do at once. */
  readonly pace: Pace;
  /** The time of the run. */
  readonly clock: RunClock;
  /** Milliseconds since the Unix epoch, as the run's clock tells them: for what users see. */
  now(): number;
  /** Milliseconds since some moment, on a clock that nobody sets: for how long something takes. */
  elapsed(): number;
  /**
   * Whether inputs, and steps with state, may take more in an epoch. If not, enough waits for its
   * end, which comes soon.
   */
  mayRead(epoch: Epoch): boolean;
  /** Something that a task waited for has happened: run the tasks. */
  wake(): void;
  /** Ends the run with an error of a step. */
  fail(error: unknown): void;
  /**
   * Ends the run with an error of an input, which is not asked again. If the run can be resumed, it
   * ends at once, else once what was read before has been worked off.
   */
  inputFailed(error: StepError): void;
  /** After `calls` was aborted, a task cannot finish its work: the run ends without it. */
  gaveUp(): void;
  /** A task has done all its part of the epoch that is being closed. */
  passed(task: Task): void;
  /** A task has done all its part of the run. */
  ended(task: Task, stopped: boolean): void;
}
