/**
 * What a supervisor and a worker process say to one another while they run tasks of a group.
 *
 * ```text
 *   worker                          supervisor
 *     ◀──────────────────────── load ──      first of all
 *     ── loaded ────────────────────▶        it can have tasks from now on
 *     ◀────────────────────── assign ──
 *     ◀────────────────────── revoke ──      answered with gaveUp, after the last commit
 *     ◀──────────────────── standbys ──      the tasks of which to keep copies
 *     ── identityWanted ────────────▶        for each commit
 *     ◀──────────────────── identity ──      or identityRefused: others have the tasks
 *     ── identityDone ──────────────▶        the broker has answered
 *     ── status, log ───────────────▶        at any time
 *     ◀───────────────────────── ask ──      at any time, answered with told
 *     ◀──────────────────────── stop ──      answered with stopped, after the last commit
 *     ── failed ────────────────────▶        its last word
 * ```
 *
 * Tasks that the group has taken away are not told: the process is killed, as what it has in memory
 * is void.
 *
 * @module
 */
import type { WorkerIndex } from "../../../core/ids.ts";
import type { LogFields, LogLevel } from "../../../core/log.ts";
import type { TaskId } from "../../../core/task_id.ts";
import type { Guarantee } from "../../../group/log_module.ts";
import type { GroupTopology } from "../../../group/topology.ts";
import type { MeasuredMetric } from "../../../graph/measured.ts";
import type { StateAnswer, StateQuestion } from "../../../ops/state_question.ts";
import type { StepCounts } from "../../counts.ts";
import type { FlowDescription } from "../../flow_description.ts";
import type { StandbyStatus, TaskStatus } from "../../group/runner_settings.ts";
import type { WorkerReadings } from "../../worker_readings.ts";
import type { Failure } from "../protocol.ts";
import type { Memory } from "../run_monitor.ts";

/**
 * Goes up with every change to the messages. It begins at 128, so that the coordinator of one
 * machine and a worker of a group never take one another's messages for their own.
 */
export const GROUP_PROTOCOL_VERSION = 134;

/** How a worker process stands. */
export interface TaskWorkerStatus {
  /** The epoch that has begun to close last; -1 before. */
  readonly epoch: number;
  readonly tasks: readonly TaskStatus[];
  readonly standbys: readonly StandbyStatus[];
  /** As `GroupLog.stored`. */
  readonly stored: readonly (readonly [TaskId, number])[];
  readonly waitingFor: readonly string[];
  /** Items in and out of each step, of all tasks that it has run. */
  readonly steps: readonly StepCounts[];
  /** What else operators want to know, of its tasks together. */
  readonly readings: WorkerReadings;
  readonly measured: readonly MeasuredMetric[];
  readonly memory: Memory;
  /** The last epoch that it has committed; `null` before the first. */
  readonly commit: TaskCommitReading | null;
  /**
   * How long ago its tasks got further: one of them began, or an epoch began to close or was over.
   * In milliseconds; `null` before.
   */
  readonly progressAgeMs: number | null;
}

/** An epoch of a worker that has been committed. Times are in milliseconds. */
export interface TaskCommitReading {
  readonly epoch: number;
  /** How long ago that was. */
  readonly ageMs: number;
  /** From when it was to end until it was committed. */
  readonly ms: number;
  /** How long of that the log took. */
  readonly logMs: number;
  /** What changed states and positions had, in bytes. */
  readonly bytes: number;
}

/** From the supervisor to a worker. */
export type ToTaskWorker =
  | {
    readonly kind: "load";
    /** Which of the machine's workers it is. */
    readonly worker: WorkerIndex;
    /** The flow's module, and which of its exports. */
    readonly moduleUrl: string;
    readonly exportName: string | null;
    /** The name of the group, of which the names of its topics are made. */
    readonly app: string;
    /** What its members have joined. */
    readonly groupId: string;
    /** Its transactional id is made of this too. */
    readonly memberId: string;
    readonly shards: number;
    /** The protocol of the group, such as `streams`. */
    readonly protocol: string;
    readonly guarantee: Guarantee;
    /** The module that opens the log of the group, as `LogModule` says. */
    readonly logModule: string;
    /** Where the states of tasks are kept between runs; `null` if they are not. */
    readonly cacheFolder: string | null;
    /** Whether to wait for brokers without a limit, as the machine has run before. */
    readonly waitsForBrokers: boolean;
    /** How many commits of the processes before it took too long, in a row. */
    readonly lateCommits: number;
    readonly commitIntervalMs: number;
    readonly logLevel: LogLevel;
    /** How often to send `status`, in milliseconds. */
    readonly statusMs: number;
  }
  | { readonly kind: "assign"; readonly tasks: readonly TaskId[] }
  | { readonly kind: "revoke"; readonly tasks: readonly TaskId[] }
  /** It is to keep copies of the states of these, and of no others. */
  | { readonly kind: "standbys"; readonly tasks: readonly TaskId[] }
  | {
    readonly kind: "identity";
    /** Of the `identityWanted` that it answers. */
    readonly number: number;
    readonly memberId: string;
    readonly epoch: number;
    readonly instanceId: string | null;
  }
  | { readonly kind: "identityRefused"; readonly number: number; readonly reason: string }
  /** Asks about the state of keys. */
  | { readonly kind: "ask"; readonly number: number; readonly question: StateQuestion }
  | { readonly kind: "stop" };

/** From a worker to the supervisor. Errors travel as data. */
export type FromTaskWorker =
  | {
    readonly kind: "loaded";
    /** The flow, for who looks at the node. */
    readonly flow: FlowDescription;
  }
  /** Nothing of these is open any more, and all that they did is committed. */
  | { readonly kind: "gaveUp"; readonly tasks: readonly TaskId[] }
  | { readonly kind: "identityWanted"; readonly number: number }
  | { readonly kind: "identityDone"; readonly number: number }
  /** Answers `ask`. */
  | { readonly kind: "told"; readonly number: number; readonly answer: StateAnswer }
  | ({ readonly kind: "status" } & TaskWorkerStatus)
  /** A step, or a signal, has asked for a graceful stop. */
  | { readonly kind: "stopRequested" }
  | { readonly kind: "stopped" }
  | {
    readonly kind: "failed";
    readonly failure: Failure;
    /** Whether a commit was refused because others have the tasks. */
    readonly isFenced: boolean;
    /** Whether another process would fail in the same way, on any machine. */
    readonly isLasting: boolean;
    /** Whether it was refused because it had taken too long. It is fenced then, too. */
    readonly isLate: boolean;
  }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: LogFields;
  };

/** From the supervisor to the process that describes the flow. */
export type ToDescriber =
  | {
    readonly kind: "load";
    /** The flow's module, and which of its exports. */
    readonly moduleUrl: string;
    readonly exportName: string | null;
    readonly app: string;
    readonly shards: number;
    /** The protocol that was asked for: `auto` for any. */
    readonly protocol: string;
    /** Steps that were taken out of the flow. */
    readonly dropSteps: readonly string[];
    /** Whether to wait until no machine runs the app in another way. */
    readonly waits: boolean;
    readonly guarantee: Guarantee;
    readonly logModule: string;
    readonly logLevel: LogLevel;
  }
  /** In place of `load`: the cluster is only found, and nothing is created. */
  | {
    readonly kind: "locate";
    readonly moduleUrl: string;
    readonly exportName: string | null;
    readonly logModule: string;
    readonly logLevel: LogLevel;
  }
  /** Asks for a token for the cluster, which a function of the flow makes. */
  | { readonly kind: "token"; readonly number: number };

/** From that process to the supervisor. It goes on as long as somebody needs tokens. */
export type FromDescriber =
  | {
    readonly kind: "described";
    readonly topology: GroupTopology;
    readonly groupId: string;
    readonly protocol: string;
    /** As `PreparedGroup.failedAt`. */
    readonly failedAt: number | null;
    /** As `PreparedGroup.place`. */
    readonly place: unknown;
    readonly needsTokens: boolean;
  }
  | { readonly kind: "located"; readonly place: unknown; readonly needsTokens: boolean }
  | { readonly kind: "tokenTold"; readonly number: number; readonly token: string }
  | { readonly kind: "tokenFailed"; readonly number: number; readonly failure: Failure }
  | { readonly kind: "stopRequested" }
  | { readonly kind: "failed"; readonly failure: Failure }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: LogFields;
  };
