/**
 * The worker's end of the conversation with its supervisor: hands messages to what runs the tasks.
 *
 * @module
 */
import { type Clock, elapsedOf } from "../../../core/clock.ts";
import { StepError } from "../../../core/errors.ts";
import type { LogFields, LogLevel } from "../../../core/log.ts";
import {
  type CommitIdentity,
  FencedError,
  LateCommitError,
  LogFailedError,
  UnrestorableError,
} from "../../../group/log.ts";
import type { FlowDescription } from "../../flow_description.ts";
import { mergeReadings } from "../../group/merged_readings.ts";
import type { TaskObserver, TaskRuns } from "../../group/runner_settings.ts";
import { toFailure } from "../failure.ts";
import type { Memory } from "../run_monitor.ts";
import type { FromTaskWorker, TaskCommitReading, ToTaskWorker } from "./messages.ts";

/** What the supervisor says once the flow has been loaded. */
export type TaskInstruction = Exclude<ToTaskWorker, { kind: "load" }>;

/** What of the tasks of a process is needed here. */
export type HostedTasks = Pick<
  TaskRuns,
  | "assign"
  | "revoke"
  | "keepStandbys"
  | "stop"
  | "over"
  | "tasks"
  | "standbys"
  | "stored"
  | "waitingFor"
  | "counts"
  | "readings"
  | "measured"
  | "stateNow"
>;

/** What a host is made with. */
export interface TaskHostOptions {
  /** Sends to the supervisor. */
  readonly send: (message: FromTaskWorker) => void;
  /** Called after a failure has been told: the process is to end. Once. */
  readonly leave: () => void;
  /** By its `elapsed`, ages are told. */
  readonly clock: Clock;
  /** What the process uses. */
  readonly memory: () => Memory;
}

/** Runs tasks as its supervisor says. */
export class TaskHost {
  readonly #send: (message: FromTaskWorker) => void;
  readonly #leave: () => void;
  readonly #clock: Clock;
  readonly #memory: () => Memory;
  readonly #wanted = new Map<number, PromiseWithResolvers<CommitIdentity>>();
  #runs: HostedTasks | null = null;
  #requests = 0;
  #epoch = -1;
  #closingAt = 0;
  #progressAt: number | null = null;
  #commit: Omit<TaskCommitReading, "ageMs"> & { readonly at: number } | null = null;
  #hasFailed = false;

  /** Runs nothing yet. */
  constructor({ send, leave, clock, memory }: TaskHostOptions) {
    this.#send = send;
    this.#leave = leave;
    this.#clock = clock;
    this.#memory = memory;
  }

  /** To be an observer of the tasks. */
  readonly observer: TaskObserver = {
    started: () => this.#gotFurther(),
    closing: (epoch) => {
      this.#epoch = epoch;
      this.#closingAt = this.#gotFurther();
    },
    committed: (epoch, logMs, bytes) => {
      const at = this.#gotFurther();
      this.#commit = { epoch, at, ms: at - this.#closingAt, logMs, bytes };
    },
    ended: () => this.#gotFurther(),
    stopRequested: () => this.#send({ kind: "stopRequested" }),
  };

  /**
   * What the group must know of the committer, for each commit.
   *
   * @throws {FencedError} If the member has lost tasks.
   */
  readonly identity = (): Promise<CommitIdentity> => {
    const number = this.#requests++;
    const answer = Promise.withResolvers<CommitIdentity>();
    this.#wanted.set(number, answer);
    this.#send({ kind: "identityWanted", number });
    return answer.promise;
  };

  #gotFurther(): number {
    return this.#progressAt = elapsedOf(this.#clock);
  }

  /** The flow has been loaded, and these run its tasks. */
  loaded(runs: HostedTasks, flow: FlowDescription): void {
    this.#runs = runs;
    runs.over.catch((thrown) => this.fail(thrown));
    this.#send({ kind: "loaded", flow });
  }

  /** Does what the supervisor says. */
  take(message: TaskInstruction): void {
    switch (message.kind) {
      case "assign":
        return this.#try(() => this.#loadedRuns.assign(message.tasks));
      case "revoke": {
        const { tasks } = message;
        return this.#after(
          () => this.#loadedRuns.revoke(tasks),
          () => this.#send({ kind: "gaveUp", tasks }),
        );
      }
      case "standbys":
        return this.#try(() => this.#loadedRuns.keepStandbys(message.tasks));
      case "identity":
        return this.#answer(message);
      case "identityRefused":
        this.#wanted.get(message.number)?.reject(new FencedError(message.reason));
        this.#wanted.delete(message.number);
        return;
      case "ask": {
        const answer = this.#loadedRuns.stateNow(message.question);
        return this.#send({ kind: "told", number: message.number, answer });
      }
      case "stop":
        return this.#after(
          () => this.#loadedRuns.stop(),
          () => {
            this.tellStatus(); // what the last epoch has counted
            this.#send({ kind: "stopped" });
          },
        );
    }
  }

  /** Tells how far the tasks are. */
  tellStatus(): void {
    if (this.#runs === null || this.#hasFailed) return;
    const runs = this.#runs;
    const now = elapsedOf(this.#clock);
    this.#send({
      kind: "status",
      epoch: this.#epoch,
      tasks: runs.tasks,
      standbys: runs.standbys,
      stored: [...runs.stored],
      waitingFor: runs.waitingFor(),
      steps: runs.counts(),
      readings: mergeReadings([...runs.readings().values()]),
      measured: runs.measured(),
      memory: this.#memory(),
      commit: this.#commitAt(now),
      progressAgeMs: this.#progressAt === null ? null : now - this.#progressAt,
    });
  }

  #commitAt(now: number): TaskCommitReading | null {
    if (this.#commit === null) return null;
    const { at, ...commit } = this.#commit;
    return { ...commit, ageMs: now - at };
  }

  /** Logs a line of the flow's or the engine's. */
  readonly log = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    this.#send({ kind: "log", level, message, fields });
  };

  /** Tells what has failed, once: what fails afterwards does because of that. */
  fail(thrown: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const error = withoutStep(thrown);
    const isFenced = error instanceof FencedError;
    const isLasting = error instanceof UnrestorableError;
    const isLate = error instanceof LateCommitError;
    this.#send({ kind: "failed", failure: toFailure(error), isFenced, isLasting, isLate });
    this.#leave();
  }

  get #loadedRuns(): HostedTasks {
    if (this.#runs === null) {
      throw new Error("the supervisor gave tasks before the flow was loaded");
    }
    return this.#runs;
  }

  #answer({ number, memberId, epoch, instanceId }: IdentityMessage): void {
    let isDone = false;
    this.#wanted.get(number)?.resolve({
      memberId,
      epoch,
      instanceId,
      [Symbol.dispose]: () => {
        if (!isDone) this.#send({ kind: "identityDone", number });
        isDone = true;
      },
    });
    this.#wanted.delete(number);
  }

  #try(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #after(work: () => Promise<void>, then: () => void): void {
    this.#try(() => {
      work().then(then).catch((thrown) => this.fail(thrown));
    });
  }
}

/** The error of a step counts as the flow's own, which would end the machine. */
function withoutStep(thrown: unknown): unknown {
  if (!(thrown instanceof StepError) || !(thrown.cause instanceof LogFailedError)) return thrown;
  return thrown.cause.cause;
}

type IdentityMessage = Extract<ToTaskWorker, { kind: "identity" }>;
