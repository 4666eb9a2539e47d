/**
 * How the tasks of a process are run, and what is known of them from outside.
 *
 * `task_runner.ts` has the class: `new TaskRunner(settings)` implements {@linkcode TaskRuns}.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { CommitIdentity, GroupLog, RestoreProgress } from "../../group/log.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { StateAnswer, StateQuestion } from "../../ops/state_question.ts";
import type { StepCounts } from "../counts.ts";
import type { Traces } from "../traces.ts";
import type { WorkerReadings } from "../worker_readings.ts";
import type { FlowCut } from "./cut_flow.ts";

/** How tasks are run. */
export interface TaskRunnerSettings {
  /** The flow, from `cutFlow`. */
  readonly cut: FlowCut;
  /** What the tasks read from, and commit to. The runner does not close it. */
  readonly groupLog: GroupLog;
  /**
   * Returns what the group must know of the committer, for each commit; `null` if tasks are
   * assigned by hand. See `GroupEpoch.identity`.
   */
  readonly identity: (() => Promise<CommitIdentity>) | null;
  /**
   * How many commits took too long, in a row: those of the processes before this one. Epochs are
   * smaller then. @default {0}
   */
  readonly lateCommits?: number;
  /** The least length of an epoch, in milliseconds, from 0 on. */
  readonly intervalMs: number;
  /**
   * How many bytes may wait in a shard until sources that are less far have come up; absent for the
   * default.
   */
  readonly mostHeld?: number;
  readonly clock: Clock;
  /** For the engine's own lines, and for inputs and outputs. */
  readonly log: Log;
  /** The traces of items; `null` or absent if nothing is exported. */
  readonly traces?: Traces | null;
  /** Is told how things go. */
  readonly observer?: TaskObserver;
}

/** Is told what happens to tasks. Its methods must not throw. */
export interface TaskObserver {
  /** A task has its state, and runs. */
  started?(task: TaskId): void;
  /** How far the restoring of a task has come. */
  restoring?(task: TaskId, progress: RestoreProgress): void;
  /** All tasks have been told to end an epoch; `epoch` counts those of this process from 0. */
  closing?(epoch: number): void;
  /**
   * An epoch has been committed, which took `ms` milliseconds. Changed states and positions had
   * `bytes` in it.
   */
  committed?(epoch: number, ms: number, bytes: number): void;
  /** An epoch is over: it has been committed, or nothing happened in it. */
  ended?(epoch: number): void;
  /** A step has asked for a graceful stop, as a first SIGINT does. */
  stopRequested?(): void;
}

/** Where a task is. */
export interface TaskProgress {
  readonly task: TaskId;
  /** `stopping`: it is being given up, and waits for its last commit. */
  readonly phase: "restoring" | "running" | "stopping";
  /** How far the restoring has come; `null` if that is not known, or it is over. */
  readonly restored: RestoreProgress | null;
}

/** Where a task is, and what it has done. */
export interface TaskStatus extends TaskProgress {
  /** Records that wait for it in the shuffle topic, as far as is known; 0 without one. */
  readonly lag: number;
  /** Records of its inputs that it has not read, as far as is known; 0 without inputs. */
  readonly inputLag: number;
  /** What its inputs have read and other tasks have sent it, since it began here. */
  readonly in: number;
  /** What its outputs have been given and it has sent to tasks, since it began here. */
  readonly out: number;
}

/** A copy of the state of a task that another machine runs. */
export interface StandbyStatus {
  readonly task: TaskId;
  /** Records of the changelog that it does not have; `null` if that is not known. */
  readonly lag: number | null;
  /** Whether it has failed, and begins again later. */
  readonly hasFailed: boolean;
}

/** The tasks of one process. */
export interface TaskRuns {
  /**
   * Starts tasks, each as soon as its state is there. Other tasks go on meanwhile.
   *
   * @throws {TypeError} If a task is not one of the flow, or has been assigned already.
   */
  assign(tasks: Iterable<TaskId>): void;
  /**
   * Ends tasks gracefully. Resolves when all that they did is committed, and nothing of them is
   * open any more: others may start them then. A task that is still being restored ends at once.
   * Rejects if the runner fails before.
   *
   * @throws {TypeError} If one has not been assigned.
   */
  revoke(tasks: Iterable<TaskId>): Promise<void>;
  /**
   * Keeps copies of the states of these tasks, and of no others, so that they start sooner if they
   * are assigned. A task that runs here gets its copy when it has been given up.
   */
  keepStandbys(tasks: Iterable<TaskId>): void;
  /** Revokes all of them. Afterwards none can be assigned. Rejects if the runner fails. */
  stop(): Promise<void>;
  /**
   * Ends all tasks without another commit, for a runner that has lost them. Resolves when nothing
   * is open any more.
   */
  kill(reason: Error): Promise<void>;
  /**
   * Resolves when `stop` is done. Rejects, with what was thrown first, if a step fails, a commit
   * fails or the runner is killed. Nothing of the open epoch is then committed: what is in memory
   * is void, and the process ends. `FencedError` means that others have its tasks.
   */
  readonly over: Promise<void>;
  /** Where each task is. */
  readonly progress: readonly TaskProgress[];
  /** The same, with what it has done. It costs more: all steps are asked. */
  readonly tasks: readonly TaskStatus[];
  /** How far each copy is. */
  readonly standbys: readonly StandbyStatus[];
  /** As `GroupLog.stored`. */
  readonly stored: ReadonlyMap<TaskId, number>;
  /** Items in and out of each step so far, of all tasks together, also of those given up. */
  counts(): readonly StepCounts[];
  /** What else operators want to know, by task. */
  readings(): ReadonlyMap<TaskId, WorkerReadings>;
  /** What users have measured in their own code, in all tasks. */
  measured(): readonly MeasuredMetric[];
  /** Answers a question about the state of keys of all tasks that have theirs. */
  stateNow(question: StateQuestion): StateAnswer;
  /** What the tasks and the log cannot go on without at the moment, each once. */
  waitingFor(): readonly string[];
}
