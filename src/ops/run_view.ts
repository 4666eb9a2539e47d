/**
 * What the operations port shows: a run, as the process that started it knows it.
 *
 * @module
 */
import type { PartitionName, StepId, WorkerIndex } from "../core/ids.ts";
import type { LogFields, LogLevel } from "../core/log.ts";
import type { ConnectionReading } from "../core/connection_reading.ts";
import type { MeasuredMetric } from "../graph/measured.ts";
import type { StateKind } from "../graph/nodes.ts";
import type { GroupView } from "./group_view.ts";
import type { StateAnswer, StateQuestion } from "./state_question.ts";

/** Where a run is in its life. */
export type RunPhase =
  /** The flow is being loaded, and its state restored. */
  | "starting"
  | "running"
  | "stopping"
  /** It failed, and is started again after a pause. */
  | "restarting"
  /** Its code has changed, and it makes room for a run of the new code. */
  | "reloading"
  | "over";

/** A run. Times are in milliseconds of a clock that nobody sets. */
export interface RunView {
  readonly phase: RunPhase;
  /** The flow's name; `null` until it is loaded. */
  readonly flow: string | null;
  /** The flow as `describeFlow` has it; `null` until it is loaded. */
  readonly graph: FlowView | null;
  /** How often the run was started again. */
  readonly restarts: number;
  /** The same for errors of steps, by step. */
  readonly stepRestarts: readonly { readonly step: StepId; readonly count: number }[];
  /** By index. */
  readonly workers: readonly WorkerView[];
  /** Epochs that have been committed; `null` before the first. */
  readonly epoch: EpochView | null;
  /** What has happened to the connections of the recovery store since the run began. */
  readonly storeConnections: readonly ConnectionReading[];
  /** What inputs and outputs cannot go on without, such as `broker`, and since when. */
  readonly waiting: { readonly what: readonly string[]; readonly since: number } | null;
  /** This machine's part of a group; `null` if it runs all of the flow. */
  readonly group: GroupView | null;
  /** What has happened. */
  readonly past: RunPast;
}

/** How a run has ended. */
export type RunOutcome =
  /** Its inputs have ended. */
  | "finished"
  /** Somebody has stopped it. */
  | "stopped"
  | "failed";

/** What has happened in a run and in those before it. Lists have the oldest first. */
export interface RunPast {
  /** How it has ended; `null` before. */
  readonly outcome: RunOutcome | null;
  /** The last epochs that were committed since the run began. */
  readonly epochs: readonly EpochView[];
  /** The last lines of the log. */
  readonly lines: readonly LogLine[];
  /** The last errors that have ended runs, or that new code was refused for. */
  readonly errors: readonly RunError[];
  /** It is over, and goes on when its code changes. */
  readonly waitsForChange: boolean;
}

/** A line of the log. */
export interface LogLine {
  /** Counts all lines, from 1 on. */
  readonly number: number;
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** An error that has ended a run, or that new code was refused for. */
export interface RunError {
  /** When that was, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** It may have several lines. */
  readonly message: string;
  /** The step that failed, and on which worker; `null` if no step did. */
  readonly step: StepId | null;
  readonly worker: WorkerIndex | null;
  /** The item that failed, shortened, and where it came from; `null` if that is not known. */
  readonly item: string | null;
  readonly origin: string | null;
}

/** A flow, as far as it matters here. */
export interface FlowView {
  readonly name: string;
  readonly steps: readonly {
    readonly id: StepId;
    /** What kind of step it is, such as `input`, `map` or `capture`. */
    readonly kind: string;
    /** What a built-in step keeps for a key; `null` for others. */
    readonly stateKind: StateKind | null;
    /** Steps with the same number run in one loop. */
    readonly stage: number;
    /** The streams that it reads. */
    readonly from: readonly {
      readonly step: StepId;
      readonly stream: string | null;
      /** Whether its items change workers. */
      readonly isExchanged: boolean;
    }[];
  }[];
}

/** A worker. */
export interface WorkerView {
  /** Questions in a row that it has not answered. It is asked once a second. */
  readonly unanswered: number;
  /** Items in and out of each step. */
  readonly steps: readonly StepView[];
  /** Its memory, in bytes; `null` until it is known. */
  readonly memory: { readonly rss: number; readonly heapUsed: number } | null;
  /** How far inputs are from the ends of their partitions, as far as they know. */
  readonly lag: readonly {
    readonly step: StepId;
    readonly partition: PartitionName;
    /** Items that have not been handed out. */
    readonly items: number;
    /**
     * While there are any: how old the item is that was handed out last, in milliseconds; `null` if
     * that is not known.
     */
    readonly ms: number | null;
    /** How old the number of items is, in milliseconds; `null` if it is fixed, or unknown. */
    readonly ageMs: number | null;
  }[];
  /** What users have measured in their own code. */
  readonly measured: readonly MeasuredMetric[];
  /** How far event time has come at window steps. */
  readonly eventTimes: readonly {
    readonly step: StepId;
    /** In milliseconds since the Unix epoch. */
    readonly time: number;
    /** How long ago that is by the worker's clock, in milliseconds. */
    readonly behindMs: number;
    /** The source that holds it back; `null` if none does. */
    readonly heldBy: string | null;
  }[];
  /** What each stage has spent its time on since the run began, and what waits for it. */
  readonly stages: readonly StageView[];
  /** The keys of stateful steps. */
  readonly state: readonly {
    readonly step: StepId;
    readonly keys: number;
    /** About how many bytes their states take in snapshots; `null` where that is not known. */
    readonly bytes: number | null;
  }[];
  /** The outputs. */
  readonly outputs: readonly {
    readonly step: StepId;
    /** How long it took to make the last epoch durable, in milliseconds; `null` before that. */
    readonly prepareMs: number | null;
    /** Its transactions that are not committed yet; `null` if it has none at all. */
    readonly transactions: { readonly count: number; readonly oldestMs: number } | null;
  }[];
  /** What has happened to the connections of inputs and outputs since the run began. */
  readonly connections: readonly (ConnectionReading & { readonly step: StepId })[];
  /** How many windows of each window step are open, over all keys. */
  readonly openWindows: readonly { readonly step: StepId; readonly count: number }[];
}

/** A stage on one worker. Times are whole: rates over a window are differences of two views. */
export interface StageView {
  /** As `StepDescription.stage` of the flow's description has it: outputs have their own. */
  readonly stage: number;
  /** It was at work, in milliseconds. */
  readonly busyMs: number;
  /** It had something to do, and a full channel downstream kept it from it, in milliseconds. */
  readonly backpressuredMs: number;
  /** The rest of the time, in milliseconds. */
  readonly idleMs: number;
  /** Items that wait in front of it. */
  readonly queued: number;
}

/** A step on one worker. */
export interface StepView {
  readonly stepId: StepId;
  /** As `StepCounts` has it. */
  readonly kind: string;
  readonly in: number;
  readonly out: number;
}

/** The last epoch that was committed. */
export interface EpochView {
  /** Its number; -1 before the first. */
  readonly epoch: number;
  /** When that was; when this run began, for one before it. */
  readonly at: number;
  /** From when it was to end until it was committed. */
  readonly ms: number;
  /** The part of that until all workers had come to its end, and outputs had made it durable. */
  readonly alignMs: number;
  /** The rest: until the recovery store had it. */
  readonly storeMs: number;
  /** What the store was given of it, in bytes: changed states, and positions. */
  readonly bytes: number;
  /** The least length of an epoch. */
  readonly intervalMs: number;
}

/** Reads a run. */
export interface RunSource {
  /** The run now. */
  view(): RunView;
  /** The time of the clock that the view's times are of. */
  now(): number;
  /**
   * Asks a worker about the state of its keys.
   *
   * @throws {Error} If it is not there, or leaves before it has answered.
   */
  ask(worker: WorkerIndex, question: StateQuestion): Promise<StateAnswer>;
}
