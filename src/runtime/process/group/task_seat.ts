/**
 * One worker of a machine, as its supervisor sees it. It is a member of the group. Processes run
 * its tasks, one after the other.
 *
 * ```text
 *   loading ──loaded──▶ running ──lost, stalled, failed──▶ ending ──exited──▶ pausing ──▶ loading
 *                          └───────stop──────▶ stopping ──exited──▶ over
 * ```
 *
 * The member outlives its processes. A process that has lost a task ends, as what it has computed
 * since its last commit is void. The next one restores what the member owns by then.
 *
 * A process that fails for the second time in a row may do so for long. Then the member leaves, and
 * joins again once there is a process that can run tasks.
 *
 * @module
 */
import { type Clock, elapsedOf, wakeAfter } from "../../../core/clock.ts";
import { messageOf, StepError, toError, UsageError } from "../../../core/errors.ts";
import type { WorkerIndex } from "../../../core/ids.ts";
import type { Log } from "../../../core/log.ts";
import { rangesOf, type TaskId, type Tasks } from "../../../core/task_id.ts";
import {
  type CommitToken,
  GroupShutdownError,
  type Member,
  type Membership,
  type MembershipEvent,
  MembershipLostError,
} from "../../../group/membership.ts";
import { setExitCode } from "../exit_code.ts";
import { hasCaughtUp } from "../../../group/log.ts";
import type { FlowDescription } from "../../flow_description.ts";
import type { StateAnswer, StateQuestion } from "../../../ops/state_question.ts";
import { fromFailure } from "../failure.ts";
import type { HandOver } from "./hand_over.ts";
import type { FromTaskWorker, TaskWorkerStatus, ToTaskWorker } from "./messages.ts";
import type { LinkedProcess, ProcessListener } from "./spawn_linked.ts";
import { stallText } from "./stall_text.ts";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** How many commits in a row may take too long before no further process is started. */
const MOST_LATE = 5;

/** How long a process that has failed may take to leave, in milliseconds. */
const LEAVES_MS = 10_000;

/**
 * How long a worker has to run before its failures are counted over, in milliseconds. It takes less
 * if it commits something, unless it had to leave: a task that kills its process comes back.
 */
const CALM_MS = 600_000;

/** Tasks that a process has to give up in time. */
interface Revocation {
  /** Those that are left. */
  readonly tasks: Set<TaskId>;
  cancel(): void;
}

/** A process of a worker. */
export type TaskChild = LinkedProcess<ToTaskWorker>;

/** Is told what a process of a worker says and does. */
export type ChildListener = ProcessListener<FromTaskWorker>;

/** What a seat is made with. */
export interface SeatSettings {
  readonly worker: WorkerIndex;
  readonly memberId: string;
  readonly membership: Membership;
  /**
   * Starts a process, which loads the flow at once. `lateCommits`: how many commits in a row took
   * too long.
   */
  readonly spawn: (listener: ChildListener, lateCommits: number) => TaskChild;
  readonly clock: Clock;
  readonly log: Log;
  /** How often a process that has failed is followed by another one, in a row. */
  readonly restarts: number;
  /** A process that has tasks and gets no further for this long is killed; in milliseconds. */
  readonly stallMs: number;
  /** How long a graceful stop may take, and giving tasks up, in milliseconds. */
  readonly stopMs: number;
  /** Whether the member leaves the group when it is stopped. */
  readonly leaves: boolean;
  /** Makes what hands the member's tasks over; `null` to give them up at once. */
  readonly handOver: ((memberId: string) => HandOver) | null;
  /**
   * The changelog offsets of tasks on the machine's disk, which its workers keep up to date; `null`
   * if it keeps no states.
   */
  readonly onDisk: Map<TaskId, number> | null;
  /**
   * The node has to end with this error, and with `endsGroup` all machines of the group do. Called
   * once at most.
   */
  readonly onFailed: (error: Error, endsGroup: boolean) => void;
  /** A step fails, and would on all machines: the group is about to be ended. */
  readonly onShutDown: (error: StepError) => Promise<void>;
  /** A step has asked for a graceful stop of the node. */
  readonly onStopRequested: () => void;
  /** Why tasks do not run, as the group says; `isUsual` if each group begins like that. */
  readonly onGroupStatus: (text: string | null, isUsual: boolean) => void;
  /** The process has said how it stands. */
  readonly onStatus?: () => void;
}

/** A worker, for who looks at the node. */
export interface SeatReading {
  readonly memberId: string;
  /** Whether a process of it has loaded the flow, and runs tasks. */
  readonly isRunning: boolean;
  /** What the member owns, including what it is to give up. */
  readonly owned: Tasks;
  /** Of those: what it is to give up. */
  readonly revoked: Tasks;
  /** Tasks that it does not own, of whose state it keeps a copy. */
  readonly copies: Tasks;
  /** What its process said last; `null` before. */
  readonly status: TaskWorkerStatus | null;
  /** When that was, by the clock that nobody sets. */
  readonly statusAt: number;
  /** When its process said anything last. */
  readonly heardAt: number;
  /** The flow that it has loaded; `null` before. */
  readonly flow: FlowDescription | null;
  /** Why tasks do not run, as the group says; `null` if they do. */
  readonly groupStatus: string | null;
  /** How often a process was started again. */
  readonly restarts: number;
  /** How many tasks the group has ever assigned to it, and how they went. */
  readonly moves: TaskMoves;
}

/** How many tasks have come and gone. */
export interface TaskMoves {
  readonly assigned: number;
  readonly givenUp: number;
  /** Taken away without a last commit. */
  readonly lost: number;
}

/** A process, from its start to its end. */
interface Life {
  readonly child: TaskChild;
  phase: "loading" | "running" | "stopping";
  /** Tasks that it was told to run, and has not given up. */
  readonly tasks: Set<TaskId>;
  /** What it commits with at the moment, by the number of its request. */
  readonly tokens: Map<number, CommitToken>;
  /** What it was asked, and has not answered. */
  readonly asked: Map<number, PromiseWithResolvers<StateAnswer>>;
  /** Why it ends, if that is known before it has gone; the first reason counts. */
  end: End | null;
  /** How far it has come, to be compared. */
  progress: string;
  status: TaskWorkerStatus | null;
  statusAt: number;
  heardAt: number;
  loadedAt: number;
  cancelStall: () => void;
  /** What it has been told to give up, and has not. */
  readonly revocations: Set<Revocation>;
}

/** Why a process has ended. */
type End =
  | { readonly kind: "stopped" }
  | { readonly kind: "lost" }
  | { readonly kind: "fenced" | "late" | "failed" | "fatal"; readonly error: Error };

/** One worker. */
export class TaskSeat {
  readonly #settings: SeatSettings;
  #member: Member | null = null; // `null` while it is out
  #joins = 0;
  #leaving: Promise<void> | null = null;
  #hasLeft = false;
  readonly #handOver: HandOver | null;
  readonly #owned = new Set<TaskId>();
  readonly #revoked = new Set<TaskId>(); // of those: to be given up
  #standbys: Tasks = new Set();
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #life: Life | null = null;
  #last: Life | null = null; // the one before, until another one begins
  #failures = 0;
  #lateCommits = 0; // in a row
  #exitCode = 0;
  #hasLoaded = false; // once
  #isEnding = false;
  #isOut = false; // no process of it runs, and none will
  #flow: FlowDescription | null = null;
  #groupStatus: string | null = null;
  #questions = 0;
  #restarts = -1; // the first start is none
  #moves = { assigned: 0, givenUp: 0, lost: 0 };
  #cancelPause: () => void = () => {};
  #cancelStop: () => void = () => {};
  #leaves: boolean;
  #fatal: StepError | null = null; // the step would fail on every machine

  /** Joins the group, and starts a process. */
  constructor(settings: SeatSettings) {
    this.#settings = settings;
    this.#leaves = settings.leaves;
    this.#handOver = settings.handOver?.(settings.memberId) ?? null;
    this.#join();
    this.#start();
  }

  /** Resolves when its process and its member are gone. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** What the flow has set as its exit code in the process that was stopped; 0 if nothing. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** What the member owns, including what it is to give up. */
  get owned(): Tasks {
    return this.#owned;
  }

  /** How it stands. */
  get reading(): SeatReading {
    const life = this.#life;
    return {
      memberId: this.#settings.memberId,
      isRunning: life !== null && life.phase !== "loading" && life.end === null,
      owned: this.#owned,
      revoked: this.#revoked,
      copies: this.#copies,
      status: (life ?? this.#last)?.status ?? null,
      statusAt: (life ?? this.#last)?.statusAt ?? 0,
      heardAt: life?.heardAt ?? elapsedOf(this.#settings.clock),
      flow: this.#flow,
      groupStatus: this.#groupStatus,
      restarts: Math.max(0, this.#restarts),
      moves: { ...this.#moves },
    };
  }

  /**
   * Asks its process about the state of keys.
   *
   * @throws {Error} If there is none that has loaded the flow, or it ends before it has answered.
   */
  ask(question: StateQuestion): Promise<StateAnswer> {
    const life = this.#life;
    const answer = Promise.withResolvers<StateAnswer>();
    if (life === null || life.phase === "loading" || life.end !== null) {
      answer.reject(new Error(`worker ${this.#settings.worker} is not there`));
    } else {
      const number = this.#questions++;
      life.asked.set(number, answer);
      life.child.send({ kind: "ask", number, question });
    }
    return answer.promise;
  }

  /** Stops gracefully: what has been done is committed, if the time allows. */
  stop(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#handOver?.close(this.#leaves);
    this.#cancelPause();
    const life = this.#life;
    if (life === null) return this.#close();
    if (life.phase === "loading" || life.end !== null) return life.child.kill();
    life.phase = "stopping";
    life.cancelStall();
    life.child.send({ kind: "stop" });
    const { clock, stopMs, log, worker } = this.#settings;
    this.#cancelStop = wakeAfter(clock, stopMs, () => {
      log.warn(
        "the worker did not stop in time and is killed: what it has not committed is done " +
          "again by the next owner of its tasks",
        { worker, stopMs },
      );
      this.#end(life, { kind: "lost" });
    });
  }

  /**
   * The group ends on all machines, so its member is not to stay there without a process. The group
   * would remember the end for as long as it has members.
   */
  endWithGroup(error: Error): void {
    if (error instanceof StepError) this.#fatal ??= error;
    else this.#leaves = true;
  }

  /** Ends its process at once, without a commit. */
  kill(): void {
    this.#isEnding = true;
    this.#handOver?.close(this.#leaves);
    this.#cancelPause();
    if (this.#life === null) this.#close();
    else this.#end(this.#life, { kind: "lost" });
  }

  #join(): void {
    const number = ++this.#joins;
    const { membership, memberId: id, onDisk } = this.#settings;
    this.#member = membership.join({
      id,
      ...onDisk === null ? {} : { onDisk: () => onDisk },
      onEvent: (event) => {
        if (number === this.#joins) this.#onEvent(event); // one that has left has no say
      },
    });
  }

  /** Leaves until a process is back: others are to run its tasks meanwhile. */
  #leaveForNow(member: Member): void {
    const { log, onGroupStatus } = this.#settings;
    const tasks = rangesOf(this.#owned);
    log.warn("the worker keeps failing: others get its tasks until it is back", {
      ...this.#fields,
      tasks,
    });
    this.#member = null;
    this.#joins++;
    this.#hasLeft = true;
    this.#moves.lost += this.#owned.size;
    this.#owned.clear(); // what was to be given up has been, as its process is gone
    this.#standbys = new Set();
    this.#handOver?.awaits(new Set(), new Set());
    onGroupStatus(null, false);
    this.#groupStatus = `worker ${this.#settings.worker} has left until it can be started`;
    this.#leaving = member.leave();
    this.#leaving.then(() => {
      this.#leaving = null;
      this.#joinAgain();
    }, (thrown) => this.#fail(toError(thrown)));
  }

  /** As soon as the group knows that it has left, and a process can run tasks. */
  #joinAgain(): void {
    const life = this.#life;
    if (this.#member !== null || this.#leaving !== null || this.#isEnding) return;
    if (life === null || life.phase !== "running" || life.end !== null) return;
    this.#groupStatus = null;
    this.#join();
  }

  #start(): void {
    this.#restarts++;
    try {
      this.#life = this.#begin();
      this.#watchLoading(this.#life);
    } catch (thrown) {
      // Without room for another process, or for the folder in which they meet.
      this.#follow({ kind: "failed", error: toError(thrown) });
    }
  }

  #begin(): Life {
    const life: Life = {
      child: this.#settings.spawn({
        said: (message) => this.#onMessage(life, message),
        exited: (how, code) => this.#onExit(life, how, code),
      }, this.#lateCommits),
      phase: "loading",
      tasks: new Set(),
      tokens: new Map(),
      asked: new Map(),
      end: null,
      progress: "",
      status: null,
      statusAt: 0,
      heardAt: elapsedOf(this.#settings.clock),
      loadedAt: Infinity,
      cancelStall: () => {},
      revocations: new Set(),
    };
    return life;
  }

  #onEvent(event: MembershipEvent): void {
    if (this.#isOut) return;
    switch (event.kind) {
      case "assigned":
        for (const task of event.tasks) this.#owned.add(task);
        this.#moves.assigned += event.tasks.size;
        return this.#assign();
      case "revoke":
        for (const task of event.tasks) this.#revoked.add(task);
        return this.#handOverOrRevoke(event.tasks);
      case "standbys":
        this.#standbys = event.tasks;
        return this.#keepStandbys();
      case "awaited":
        this.#handOver?.awaits(event.tasks, this.#owned);
        return this.#keepStandbys();
      case "lost":
        return this.#lose(event.tasks, event.reason);
      case "status":
        this.#groupStatus = event.text;
        return this.#settings.onGroupStatus(event.text, event.isUsual === true);
      case "failed":
        return this.#fail(event.error, event.error instanceof GroupShutdownError);
    }
  }

  get #fields(): { readonly worker: WorkerIndex } {
    return { worker: this.#settings.worker };
  }

  /** Has the process run what the member owns. */
  #assign(): void {
    const life = this.#life;
    if (life === null || life.phase !== "running" || life.end !== null) return;
    const tasks = [...this.#owned.difference(this.#revoked).difference(life.tasks)];
    if (tasks.length === 0) return;
    for (const task of tasks) life.tasks.add(task);
    life.child.send({ kind: "assign", tasks });
    this.#settings.log.info("tasks assigned", { ...this.#fields, tasks: rangesOf(tasks) });
    this.#watchForStall(life);
  }

  /** Has the process keep the copies that the member is to keep, and of what it is to get. */
  #keepStandbys(): void {
    const life = this.#life;
    if (life === null || life.phase !== "running" || life.end !== null) return;
    life.child.send({ kind: "standbys", tasks: [...this.#copies] });
  }

  get #copies(): Tasks {
    return this.#standbys.union(this.#handOver?.awaited ?? new Set());
  }

  /** Tasks that run go on until others can take them over. */
  #handOverOrRevoke(tasks: Tasks): void {
    const life = this.#life;
    const runs = life !== null && life.phase === "running" && life.end === null &&
      !tasks.isDisjointFrom(life.tasks);
    if (this.#handOver === null || !runs) return this.#revoke(tasks);
    this.#handOver.give(tasks, (left) => this.#revoke(left));
  }

  /** Has the process give up tasks. Those that no process runs are given up already. */
  #revoke(tasks: Tasks): void {
    const life = this.#life;
    const running = life === null ? new Set<TaskId>() : tasks.intersection(life.tasks);
    // One that stops or ends gives up all that it has; its exit says when.
    if (running.size > 0 && life!.phase === "running" && life!.end === null) {
      life!.child.send({ kind: "revoke", tasks: [...running] });
      this.#limitRevocation(life!, running);
    }
    this.#giveBack(tasks.difference(running), false);
  }

  /** Others wait for the tasks, and a streams group takes all away from a member that is slow. */
  #limitRevocation(life: Life, tasks: Tasks): void {
    const { clock, stopMs, log } = this.#settings;
    const cancel = wakeAfter(clock, stopMs, () => {
      life.revocations.delete(revocation);
      if (life.end !== null) return;
      log.warn(
        "the worker did not give up tasks in time and is killed: what it has not committed is done " +
          "again by the next owners of its tasks",
        { ...this.#fields, tasks: rangesOf(revocation.tasks), stopMs },
      );
      this.#end(life, { kind: "lost" });
    });
    // A set of its own: a task may come back while others of the revocation are still waited for.
    const revocation: Revocation = { tasks: new Set(tasks), cancel };
    life.revocations.add(revocation);
  }

  #gaveUp(life: Life, given: readonly TaskId[]): void {
    for (const task of given) life.tasks.delete(task);
    for (const revocation of life.revocations) {
      for (const task of given) revocation.tasks.delete(task);
      if (revocation.tasks.size > 0) continue;
      revocation.cancel();
      life.revocations.delete(revocation);
    }
    this.#giveBack(given);
  }

  /** Tells the group that no process runs these any more. */
  #giveBack(tasks: Iterable<TaskId>, wereRunning = true): void {
    // Tasks that were lost meanwhile are not owned: the group knows better.
    const given = [...tasks].filter((task) => this.#revoked.delete(task));
    this.#handOver?.forget(given);
    if (given.length === 0) return;
    for (const task of given) this.#owned.delete(task);
    this.#moves.givenUp += given.length;
    // Of tasks that never ran here, nobody has read a line before.
    this.#settings.log[wereRunning ? "info" : "debug"]("tasks given up", {
      ...this.#fields,
      tasks: rangesOf(given),
    });
    // It may own more by now than its events have told.
    const member = this.#member!; // it owned them a moment ago
    member.acknowledge(member.owned.difference(new Set(given)));
  }

  #lose(tasks: Tasks, reason: string): void {
    for (const task of tasks) {
      this.#owned.delete(task);
      this.#revoked.delete(task);
    }
    this.#handOver?.forget(tasks);
    this.#moves.lost += tasks.size;
    const life = this.#life;
    if (life === null || life.tasks.isDisjointFrom(tasks)) return;
    this.#settings.log.warn("the worker has lost tasks: what it has not committed is void", {
      ...this.#fields,
      tasks: rangesOf(tasks),
      reason,
    });
    this.#end(life, { kind: "lost" });
  }

  #end(life: Life, end: End): void {
    life.end ??= end;
    life.cancelStall();
    life.child.kill();
  }

  #onMessage(life: Life, message: FromTaskWorker): void {
    life.heardAt = elapsedOf(this.#settings.clock);
    switch (message.kind) {
      case "loaded":
        this.#flow = message.flow;
        if (life.phase !== "loading") return;
        life.phase = "running";
        life.loadedAt = life.heardAt;
        life.cancelStall();
        this.#hasLoaded = true;
        this.#joinAgain();
        this.#assign();
        if (this.#copies.size > 0) this.#keepStandbys();
        return;
      case "gaveUp":
        return this.#gaveUp(life, message.tasks);
      case "identityWanted":
        return void this.#identify(life, message.number);
      case "identityDone":
        life.tokens.get(message.number)?.[Symbol.dispose]();
        life.tokens.delete(message.number);
        return;
      case "told":
        life.asked.get(message.number)?.resolve(message.answer);
        life.asked.delete(message.number);
        return;
      case "status":
        return this.#onStatus(life, message);
      case "stopRequested":
        return this.#settings.onStopRequested();
      case "stopped":
        life.end ??= { kind: "stopped" };
        return;
      case "failed": {
        const error = fromFailure(message.failure, this.#settings.worker);
        const isFatal = message.isLasting || error instanceof StepError ||
          error instanceof UsageError;
        const fenced = message.isLate ? "late" : "fenced";
        const kind = message.isFenced ? fenced : isFatal ? "fatal" : "failed";
        if (message.isLasting) this.#leaves = true; // others say so too, and soon
        life.end ??= { kind, error };
        life.cancelStall();
        life.cancelStall = wakeAfter(this.#settings.clock, LEAVES_MS, () => life.child.kill());
        return;
      }
      case "log":
        return this.#settings.log[message.level](message.message, {
          ...this.#fields,
          ...message.fields,
        });
    }
  }

  async #identify(life: Life, number: number): Promise<void> {
    let token: CommitToken;
    try {
      if (this.#member === null) throw new MembershipLostError("the member has left the group");
      token = await this.#member.token();
    } catch (error) {
      if (this.#life === life) {
        life.child.send({ kind: "identityRefused", number, reason: messageOf(error) });
      }
      return;
    }
    // The next generation waits for tokens: one that nobody uses must not be kept.
    if (this.#life !== life || life.end !== null) return token[Symbol.dispose]();
    life.tokens.set(number, token);
    const { memberId, epoch, instanceId } = token;
    life.child.send({ kind: "identity", number, memberId, epoch, instanceId });
  }

  #onStatus(life: Life, status: StatusMessage): void {
    life.status = status;
    life.statusAt = life.heardAt;
    this.#handOver?.copied(status.standbys);
    this.#settings.onStatus?.();
    const { epoch, tasks, standbys, stored, waitingFor, commit } = status;
    for (const [task, offset] of stored) this.#settings.onDisk?.set(task, offset);
    this.#member?.caughtUp(new Set(standbys.filter(hasCaughtUp).map(({ task }) => task)));
    if (life.phase !== "running" || life.end !== null) return;
    const restored = tasks.map(({ task, phase, restored }) => [task, phase, restored?.done]);
    const progress = JSON.stringify([epoch, restored]);
    if (progress !== life.progress || waitingFor.length > 0 || life.tasks.size === 0) {
      life.progress = progress;
      // One that gets on has nothing to do with the failures before it. That an epoch closes tells
      // nothing, as it may fail then. The first one is short: it may be over before it comes to
      // what fails.
      const isCalm = life.heardAt - life.loadedAt >= CALM_MS;
      const getsOn = !this.#hasLeft && commit !== null && commit.epoch > 0;
      if (isCalm || getsOn) {
        this.#failures = this.#lateCommits = 0;
        this.#hasLeft = false;
      }
      this.#watchForStall(life);
    }
  }

  /** Tasks wait for a process that loads the flow, such as one that waits for a service there. */
  #watchLoading(life: Life): void {
    const { clock, stallMs, worker } = this.#settings;
    life.cancelStall = wakeAfter(clock, stallMs, () => {
      if (this.#owned.size === 0) return this.#watchLoading(life);
      const message = `worker ${worker} has not loaded the flow for ${stallMs / 1000} s`;
      this.#end(life, { kind: "failed", error: new Error(message) });
    });
  }

  #watchForStall(life: Life): void {
    life.cancelStall();
    const { clock, stallMs } = this.#settings;
    life.cancelStall = wakeAfter(clock, stallMs, () => {
      if (life.tasks.size === 0) return;
      const { tasks, status } = life;
      const silentMs = elapsedOf(clock) - life.heardAt;
      const message = stallText({
        ...this.#fields,
        ...{ stallMs, silentMs, tasks, status, flow: this.#flow },
      });
      this.#end(life, { kind: "failed", error: new Error(message) });
    });
  }

  #onExit(life: Life, how: string, code: number): void {
    if (life.end?.kind === "stopped") this.#exitCode = code;
    else if (life.end !== null && "error" in life.end) setExitCode(life.end.error, code);
    life.cancelStall();
    for (const { cancel } of life.revocations) cancel();
    this.#cancelStop();
    for (const token of life.tokens.values()) token[Symbol.dispose]();
    life.tokens.clear();
    const gone = new Error(`worker ${this.#settings.worker} has gone`);
    for (const { reject } of life.asked.values()) reject(gone);
    life.asked.clear();
    this.#life = null;
    this.#last = life;
    this.#giveBack([...this.#revoked]); // no process runs them now
    this.#member?.caughtUp(new Set()); // nobody keeps them up to date
    if (this.#isEnding) {
      // What it had not committed when it was fenced is done by the next owner of its tasks.
      const { end } = life;
      if (end?.kind === "fatal" || end?.kind === "failed") {
        this.#settings.onFailed(end.error, false);
      } else if (end === null && life.phase === "stopping") {
        this.#settings.log.warn(
          `the worker ended ${how} before it had stopped: what it has not committed is done again ` +
            "by the next owner of its tasks",
          this.#fields,
        );
      }
      return this.#close();
    }
    const error = new Error(`worker ${this.#settings.worker} ended ${how}`);
    this.#follow(life.end ?? { kind: "failed", error });
  }

  /** Starts another process, if that may help. */
  #follow(end: End): void {
    if (end.kind === "lost") return this.#start();
    if (end.kind === "stopped") return this.#fail(new Error("a worker stopped without being told"));
    const isLasting = end.kind === "fatal" || !this.#hasLoaded;
    const isCounted = end.kind === "failed"; // others' doing is not
    // Each of them makes epochs smaller. So some do not count as failures.
    if (end.kind === "late") this.#lateCommits++;
    const isHopeless = this.#lateCommits > MOST_LATE ||
      (isCounted && this.#failures >= this.#settings.restarts);
    if (isLasting || isHopeless) {
      // Others can take over from a process that cannot be started. A step would fail there too.
      if (!isLasting) this.#leaves = true;
      return this.#fail(end.error, end.error instanceof StepError);
    }
    // A first failure may be the machine's: its tasks wait for it. Who fails again waits longer.
    const pauseMs = this.#failures === 0
      ? 0
      : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    this.#failures++;
    const { log, clock } = this.#settings;
    const error = messageOf(end.error);
    log.error("the worker failed and is started again", { ...this.#fields, error, pauseMs });
    if (isCounted && pauseMs > 0 && this.#member !== null) this.#leaveForNow(this.#member);
    this.#cancelPause = wakeAfter(clock, pauseMs, () => this.#start());
  }

  #fail(error: Error, endsGroup = false): void {
    this.#settings.onFailed(error, endsGroup);
    this.kill();
  }

  /** Ends the group on all machines. */
  async #shutDown(member: Member, error: StepError): Promise<void> {
    await this.#settings.onShutDown(error);
    await member.shutDown();
  }

  #close(): void {
    if (this.#isOut) return;
    this.#isOut = true;
    const member = this.#member;
    const gone = member === null
      ? this.#leaving ?? Promise.resolve()
      : this.#fatal !== null
      ? this.#shutDown(member, this.#fatal)
      : this.#leaves
      ? member.leave()
      : member.stop();
    gone.then(() => this.#over.resolve(), (thrown) => this.#over.reject(toError(thrown)));
  }
}

type StatusMessage = Extract<FromTaskWorker, { kind: "status" }>;
