/**
 * What the dashboard is told about a run. Lists of numbers are in the order of the steps of
 * `/graph`, of its stages, or of the workers: so names travel once.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../core/ids.ts";
import type { TaskState } from "./group_view.ts";
import type { LogLine, RunError, RunOutcome, RunPhase } from "./run_view.ts";

/** The first that a client is told. */
export interface History {
  /** The version of Millrace. */
  readonly version: string;
  /** The last minute, a point for each second, oldest first. */
  readonly points: readonly Point[];
  readonly lines: readonly LogLine[];
  readonly errors: readonly RunError[];
}

/** Lines of the log and errors that a client has not been told yet. */
export interface News {
  readonly lines: readonly LogLine[];
  /** All of the last ones. */
  readonly errors: readonly RunError[];
}

/** A moment, as lines over time show it. Rates are in items a second, over the last 5 s. */
export interface Point {
  /** In milliseconds since the Unix epoch. */
  readonly at: number;
  /** What inputs have read. */
  readonly in: number;
  /** What outputs have been given. */
  readonly out: number;
  /** Values that came after their windows had closed. */
  readonly late: number;
  /** Items that have not been read; `null` if no input knows. */
  readonly lag: number | null;
  /** How far event time lags, in milliseconds; `null` without window steps. */
  readonly behindMs: number | null;
  /** How long the last epoch took to end, in milliseconds; `null` before the first. */
  readonly epochMs: number | null;
  /** Resident memory of all workers, in bytes; `null` until all have told. */
  readonly rss: number | null;
  /** What came out of each step, or went into it if it is an output. */
  readonly steps: readonly number[];
}

/** A run at a moment. Rates are in items a second, over the last 5 s. */
export interface Status {
  readonly phase: RunPhase;
  readonly outcome: RunOutcome | null;
  readonly restarts: number;
  /** How long it has run since it was started the last time, in milliseconds; `null` before. */
  readonly upMs: number | null;
  /** Changes when `/graph` does; 0 until there is one. */
  readonly graph: number;
  readonly verdict: Verdict;
  readonly point: Point;
  readonly totals: { readonly in: number; readonly out: number; readonly late: number };
  readonly steps: {
    /** Items a second into the step. */
    readonly in: readonly number[];
    /** Items a second out of it. */
    readonly out: readonly number[];
    /** Late values of it, in whole. */
    readonly late: readonly number[];
    /** Keys with state; `null` if it keeps none. */
    readonly keys: readonly (number | null)[];
    /** About how many bytes their states take; `null` if that is not known. */
    readonly bytes: readonly (number | null)[];
  };
  readonly stages: readonly StageStatus[];
  readonly workers: readonly WorkerStatus[];
  readonly inputs: readonly InputStatus[];
  /** Partitions with the most lag. */
  readonly partitions: readonly PartitionStatus[];
  readonly eventTimes: readonly EventTimeStatus[];
  readonly epochs: readonly EpochStatus[];
  /** Time since the last commit, in milliseconds; `null` before the first. */
  readonly commitAgeMs: number | null;
  /** The least length of an epoch, in milliseconds; `null` before the first. */
  readonly intervalMs: number | null;
  readonly waiting: { readonly what: readonly string[]; readonly ms: number } | null;
  /** This machine's part of a group; `null` if it runs all of the flow. */
  readonly group: GroupStatus | null;
}

/** A machine's part of a group. */
export interface GroupStatus {
  readonly app: string;
  /** `null` until it is known. */
  readonly groupId: string | null;
  readonly protocol: string | null;
  /** Why tasks do not run; `null` if they do. */
  readonly status: string | null;
  /** How many tasks are in each state. */
  readonly counts: Readonly<Record<TaskState, number>>;
  /** The share of the state that has been restored, from 0 to 1; `null` if none is being. */
  readonly restored: number | null;
  /** Those that do not run come first, then those with the most lag. */
  readonly tasks: readonly TaskStatus[];
}

/** A task. */
export interface TaskStatus {
  readonly task: string;
  readonly worker: WorkerIndex;
  readonly state: TaskState;
  /** The share of its state that has been restored, from 0 to 1; `null` if that is not known. */
  readonly restored: number | null;
  /** Items a second into the task, and out of it. */
  readonly in: number;
  readonly out: number;
  /** Records that wait in its inputs. */
  readonly inputLag: number;
  /** Records that other tasks have sent it. */
  readonly shuffleLag: number;
}

/** How a run is, in a sentence. */
export interface Verdict {
  readonly tone: "good" | "busy" | "warning" | "bad" | "neutral";
  /** The sentence. A step in it is an object. */
  readonly parts: readonly (string | { readonly step: StepId })[];
  /** The stage that it is about; `null` if it is about none. */
  readonly stage: number | null;
}

/** A stage: steps that run in one loop. Shares are of the last 5 s, from 0 to 1. */
export interface StageStatus {
  /** As steps of `/graph` have it. */
  readonly stage: number;
  /** Over all workers. */
  readonly busy: number;
  readonly backpressured: number;
  /** On the worker on which it is busiest. */
  readonly most: { readonly worker: WorkerIndex; readonly busy: number };
  /** Items that wait in front of it, on all workers. */
  readonly queued: number;
}

/** A worker. */
export interface WorkerStatus {
  /** Items a second that its inputs have read. */
  readonly in: number;
  /** Items a second that all its steps have taken in. */
  readonly work: number;
  /** The share of the time that it was at work, from 0 to 1; `null` if that is not known. */
  readonly busy: number | null;
  /** In bytes; `null` until it has told. */
  readonly rss: number | null;
  readonly heapUsed: number | null;
  /** Seconds for which it has not answered. */
  readonly silent: number;
}

/** The lag of an input. */
export interface InputStatus {
  readonly step: StepId;
  readonly partitions: number;
  readonly lag: number;
  /** How old the oldest item is that was read last, in milliseconds; `null` if nothing waits. */
  readonly ms: number | null;
}

/** The lag of a partition. */
export interface PartitionStatus {
  readonly step: StepId;
  readonly partition: string;
  readonly worker: WorkerIndex;
  readonly lag: number;
}

/** The event time of a window step, on the worker on which it is last. */
export interface EventTimeStatus {
  readonly step: StepId;
  /** In milliseconds since the Unix epoch. */
  readonly time: number;
  /** How long ago that is, in milliseconds. */
  readonly behindMs: number;
  /** The source that holds it back; `null` if none does. */
  readonly heldBy: string | null;
  readonly worker: WorkerIndex;
}

/** An epoch that was committed. */
export interface EpochStatus {
  readonly epoch: number;
  /** In milliseconds since the Unix epoch. */
  readonly at: number;
  /** How long it took to end, in milliseconds. */
  readonly ms: number;
  /** How long of that the store took. */
  readonly storeMs: number;
  /** What the store has got, in bytes. */
  readonly bytes: number;
}
