/**
 * How a worker hands tasks over; see `group/hand_over.ts`. It decides when to give up those that
 * are to move. Of those that it is to get, it tells how far it is.
 *
 * A task runs on until its taker has read its state, or says nothing, or the time is up. So each
 * worker waits by itself, and nobody waits for a machine that has died for longer than that.
 *
 * @module
 */
import { type Clock, elapsedOf, wakeAfter } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { rangesOf, type TaskId, type Tasks } from "../../../core/task_id.ts";
import { hasCaughtUp } from "../../../group/log.ts";
import type { HandOverBoard, TakerNotice } from "../../../group/hand_over.ts";
import type { StandbyStatus } from "../../group/runner_settings.ts";

/** How often a giver looks at what takers say, in milliseconds. */
export const LOOK_MS = 250;

/** How often a taker says how far it is, in milliseconds. */
export const POST_MS = 1_000;

/**
 * How long a giver waits for a first word, in milliseconds. The taker may hear of the task some
 * seconds after the giver, or be of a version that says nothing.
 */
export const FIRST_WORD_MS = 5_000;

/** A notice of this age is of this move, if the machines' clocks agree; in milliseconds. */
const FRESH_MS = 5_000;

/** What a worker hands tasks over with. */
export interface HandOverSettings {
  /** The id of its member. */
  readonly memberId: string;
  readonly board: HandOverBoard;
  /** Whether a task has state, which a taker has to read. */
  readonly hasState: (task: TaskId) => boolean;
  /** Whether this worker can read the states of tasks before it gets them. */
  readonly canPrepare: boolean;
  /** How long a task that is to move runs on here at most, in milliseconds. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tasks that are to move, and still run here. */
interface Move {
  readonly tasks: Set<TaskId>;
  readonly release: (tasks: Tasks) => void;
  readonly begunAt: number;
  /** What the board had at the first look; `null` before. */
  before: ReadonlyMap<TaskId, TakerNotice> | null;
  /** The last notice of each task that is of this move. */
  readonly heard: Map<TaskId, TakerNotice>;
  /** When a first word was waited for from, for tasks whose taker has gone. */
  readonly silentSince: Map<TaskId, number>;
  isLooking: boolean;
  cancel: () => void;
}

/** Hands over the tasks of one worker. */
export class HandOver {
  readonly #settings: HandOverSettings;
  readonly #moves = new Set<Move>();
  #awaited: Tasks = new Set();
  #copies: ReadonlyMap<TaskId, StandbyStatus> = new Map();
  readonly #posted = new Map<TaskId, TakerNotice["stage"]>();
  readonly #withdrawn = new Set<TaskId>(); // which the board is to know
  #isPosting = false;
  #isDue = false; // whether there is news to post
  #cancelPost: (() => void) | null = null;
  #isClosed = false;

  /** Asks the board nothing yet. */
  constructor(settings: HandOverSettings) {
    this.#settings = settings;
  }

  /**
   * Waits until tasks that run here can be given up, and calls `release` with those that are left.
   * It does so at once if none of them has state. They are released together, as the group waits
   * for all that a member is to give up.
   */
  give(tasks: Tasks, release: (tasks: Tasks) => void): void {
    const { clock, hasState, waitMs, log } = this.#settings;
    const stateful = [...tasks].filter(hasState);
    if (this.#isClosed || waitMs <= 0 || stateful.length === 0) return release(tasks);
    const move: Move = {
      tasks: new Set(tasks),
      release,
      begunAt: elapsedOf(clock),
      before: null,
      heard: new Map(),
      silentSince: new Map(),
      isLooking: false,
      cancel: () => {},
    };
    this.#moves.add(move);
    log.debug("tasks run on until their next worker has their state", {
      tasks: rangesOf(stateful),
    });
    this.#look(move);
  }

  /** These do not run here any more. */
  forget(tasks: Iterable<TaskId>): void {
    for (const task of tasks) for (const move of this.#moves) move.tasks.delete(task);
    for (const move of this.#moves) if (move.tasks.size === 0) this.#end(move);
  }

  /** The worker is to get these once they are given up, and no others. */
  awaits(tasks: Tasks, owned: Tasks): void {
    for (const task of this.#awaited.difference(tasks)) {
      this.#posted.delete(task);
      if (!owned.has(task)) this.#withdrawn.add(task);
    }
    for (const task of tasks) this.#withdrawn.delete(task);
    this.#awaited = tasks;
    this.#isDue = true;
    this.#post();
  }

  /** What the worker is to get. */
  get awaited(): Tasks {
    return this.#awaited;
  }

  /** How far the copies of states are that the worker has. */
  copied(standbys: readonly StandbyStatus[]): void {
    if (this.#awaited.size === 0) return;
    this.#copies = new Map(standbys.map((each) => [each.task, each]));
    const isNews = [...this.#awaited].some((task) =>
      this.#stageOf(task) !== this.#posted.get(task)
    );
    if (!isNews) return;
    this.#isDue = true;
    this.#post();
  }

  /**
   * Ends all waiting: what was to move is for the caller to give up.
   *
   * @param leaves Whether the worker leaves the group, so that it gets nothing.
   */
  close(leaves: boolean): void {
    if (this.#isClosed) return;
    for (const move of [...this.#moves]) this.#end(move);
    // One that comes back is still to get them, and their owners go on meanwhile.
    if (leaves) this.awaits(new Set(), new Set());
    this.#isClosed = true;
    this.#cancelPost?.();
  }

  #look(move: Move): void {
    if (!move.isLooking) {
      move.isLooking = true;
      this.#read(move).finally(() => move.isLooking = false);
    }
    this.#judge(move);
    if (!this.#moves.has(move)) return;
    move.cancel = wakeAfter(this.#settings.clock, LOOK_MS, () => this.#look(move));
  }

  async #read(move: Move): Promise<void> {
    const { board, hasState, clock, memberId, log } = this.#settings;
    let notices: ReadonlyMap<TaskId, TakerNotice>;
    try {
      notices = await board.read([...move.tasks].filter(hasState));
    } catch (error) {
      log.debug("what takers of tasks say cannot be read", { error: messageOf(error) });
      return;
    }
    if (!this.#moves.has(move)) return;
    const isFirst = move.before === null;
    move.before ??= notices;
    for (const [task, notice] of notices) {
      if (notice.by === memberId || !move.tasks.has(task)) continue; // of when it came here
      const before = move.before.get(task);
      const isNew = !isFirst && (before?.by !== notice.by || before.at !== notice.at);
      const isFresh = Math.abs(clock.now() - notice.at) < FRESH_MS;
      if (isNew || isFresh || move.heard.has(task)) this.#hear(move, task, notice);
    }
    this.#judge(move);
  }

  #hear(move: Move, task: TaskId, notice: TakerNotice): void {
    if (notice.stage !== "gone") {
      move.heard.set(task, notice);
    } else if (move.heard.delete(task)) {
      move.silentSince.set(task, elapsedOf(this.#settings.clock)); // another one may follow
    }
  }

  /** Releases the tasks if there is nothing to wait for. */
  #judge(move: Move): void {
    if (!this.#moves.has(move)) return;
    const { clock, hasState, waitMs, log } = this.#settings;
    const now = elapsedOf(clock);
    const waits = [...move.tasks].filter((task) => {
      if (!hasState(task)) return false;
      const stage = move.heard.get(task)?.stage;
      if (stage !== undefined) return stage === "preparing";
      return now < (move.silentSince.get(task) ?? move.begunAt) + FIRST_WORD_MS;
    });
    const isLate = now >= move.begunAt + waitMs;
    if (waits.length > 0 && !isLate) return;
    if (isLate && waits.length > 0) {
      log.info("tasks move before their next worker has read their state", {
        tasks: rangesOf(waits),
        waitMs,
      });
    }
    this.#end(move);
    move.release(move.tasks);
  }

  #end(move: Move): void {
    move.cancel();
    this.#moves.delete(move);
  }

  #stageOf(task: TaskId): "preparing" | "ready" {
    const { canPrepare } = this.#settings;
    const copy = this.#copies.get(task);
    if (!canPrepare || copy?.hasFailed === true) return "ready";
    return copy !== undefined && hasCaughtUp(copy) ? "ready" : "preparing";
  }

  #post(): void {
    if (this.#isPosting || this.#isClosed) return;
    this.#cancelPost?.();
    this.#cancelPost = null;
    const { clock, hasState, memberId } = this.#settings;
    const notices = new Map<TaskId, TakerNotice>();
    const at = clock.now();
    for (const task of this.#awaited) {
      if (hasState(task)) notices.set(task, { by: memberId, stage: this.#stageOf(task), at });
    }
    for (const task of this.#withdrawn) {
      if (hasState(task)) notices.set(task, { by: memberId, stage: "gone", at });
    }
    this.#withdrawn.clear(); // a post that is lost costs the giver its time, and nothing else
    this.#isDue = false;
    if (notices.size === 0) return;
    for (const [task, { stage }] of notices) if (stage !== "gone") this.#posted.set(task, stage);
    this.#isPosting = true;
    this.#send(notices).finally(() => {
      this.#isPosting = false;
      if (this.#isClosed) return;
      if (this.#isDue) return this.#post();
      this.#cancelPost = wakeAfter(clock, POST_MS, () => this.#post());
    });
  }

  async #send(notices: ReadonlyMap<TaskId, TakerNotice>): Promise<void> {
    const { board, log } = this.#settings;
    try {
      await board.post(notices);
    } catch (error) {
      log.debug("it cannot be said how far copies of states are", { error: messageOf(error) });
    }
  }
}
