/**
 * The loop that runs a worker's tasks.
 *
 * It is cooperative. It runs tasks, those downstream first, until none has work or some
 * milliseconds are over. Then it yields to the event loop, or sleeps until something wakes it. That
 * is an input that is ready, an output that has written, a frame of another worker, or a timer.
 *
 * @module
 */
import { yieldToEventLoop } from "../core/event_loop.ts";
import type { RunClock } from "../core/run_clock.ts";
import { Pace } from "./pace.ts";
import { TaskMeter, type TaskTimes } from "./task_meter.ts";
import type { Task } from "./tasks/task.ts";

/** How long the loop goes on before it yields to the event loop. */
const PASS_MS = 4;

/**
 * In rounds that are as long as this, in milliseconds, each turn is measured. To look at the clock
 * takes a tenth of a microsecond, which shorter rounds would notice.
 */
const LONG_ROUND_MS = 0.5;

/** How many shorter rounds there are for each one that is measured. */
const MEASURED_OF = 16;

/**
 * From this length on, in milliseconds, a round that was not measured has one slow item. Its time
 * is not shared out like that of short rounds.
 */
const SLOW_ROUND_MS = 10;

/**
 * Shorter rounds than this, in milliseconds, ask tasks what they wait for only if they are
 * measured, or nobody worked in them.
 */
const SHORT_ROUND_MS = 0.05;

/** Runs tasks. */
export class TaskLoop {
  /** How much a task may do at once. */
  readonly pace: Pace = new Pace();
  readonly #clock: RunClock;
  readonly #now: () => number;
  #failure: { error: unknown } | null = null;
  #woken = false;
  #wake: () => void = () => {};
  #meters: readonly TaskMeter[] = [];
  #begun = 0;
  // Of the rounds in which a task did work:
  #rounds = 0; // how many since one was measured
  #unmeasuredMs = 0; // how long those took
  #roundMs = LONG_ROUND_MS; // how long the last one took

  /** `now`: milliseconds of the monotonic clock, by which turns are measured. */
  constructor(clock: RunClock, now: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#now = now;
  }

  /** What each task has spent its time on, and for how long the loop has run, in milliseconds. */
  times(): { readonly tasks: readonly TaskTimes[]; readonly ms: number } {
    const now = this.#now();
    const ms = this.#meters.length === 0 ? 0 : now - this.#begun;
    return { tasks: this.#meters.map((meter) => meter.read(now)), ms };
  }

  /**
   * Runs until `isDone`.
   *
   * @param tasks Those downstream first.
   * @param flush Called at the end of each pass.
   * @throws What a task throws, or `fail` was given.
   */
  async run(tasks: readonly Task[], isDone: () => boolean, flush: () => void): Promise<void> {
    this.#meters = tasks.map(() => new TaskMeter());
    let yielded = this.#begun = this.#now();
    while (!isDone()) {
      this.#woken = false;
      const { worked, ended } = this.#pass(tasks);
      this.throwFailure();
      flush();
      // An output whose promises are resolved at once wakes the loop before the event loop has run.
      // So it is not enough that the loop sleeps.
      if (worked || ended - yielded > PASS_MS) {
        await yieldToEventLoop();
        yielded = this.#now();
      } else if (!isDone()) await this.#sleep(tasks);
      this.throwFailure();
    }
  }

  /** Something that a task waited for has happened. */
  wake(): void {
    if (this.#woken) return; // many calls may end before the loop goes on
    this.#woken = true;
    this.#wake();
  }

  /** Ends the loop with an error. Returns whether it is the first. */
  fail(error: unknown): boolean {
    const isFirst = this.#failure === null;
    this.#failure ??= { error };
    this.wake();
    return isFirst;
  }

  /** Throws what `fail` was given first, if it was. */
  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /**
   * Runs tasks until none has work or the pass is over. Returns whether there may be more, and when
   * the pass ended: another look at the clock would cost as much as several items.
   */
  #pass(tasks: readonly Task[]): { worked: boolean; ended: number } {
    this.#clock.watch();
    let now = this.#now();
    const until = now + PASS_MS;
    let worked: boolean;
    do {
      worked = false;
      this.pace.begin(now);
      const isMeasured = this.#roundMs >= LONG_ROUND_MS || this.#rounds >= MEASURED_OF - 1;
      const isAsked = isMeasured || this.#roundMs >= SHORT_ROUND_MS;
      let at = now; // of the last look at the clock
      for (let i = 0; i < tasks.length; i++) {
        const task = tasks[i];
        const meter = this.#meters[i];
        if (!task.run()) {
          if (isAsked) meter.rests(task.waits, now);
          continue;
        }
        worked = true;
        if (!isMeasured) {
          meter.turned(now);
          continue;
        }
        const ended = this.#now();
        meter.worked(ended - at, now);
        at = ended;
      }
      if (!worked) { // which takes less than another look at the clock
        if (!isAsked) this.#ask(tasks, now);
        break;
      }
      if (!isMeasured) at = this.#now();
      this.#took(at - now, isMeasured, now);
      this.pace.took(at - now);
      now = at;
    } while (this.#failure === null && now < until);
    return { worked, ended: now };
  }

  /** Asks all tasks what they wait for, before the loop sleeps. */
  #ask(tasks: readonly Task[], round: number): void {
    // Without an iterator: where the calls of a `mapAsync` end at once, the loop sleeps often.
    for (let i = 0; i < tasks.length; i++) this.#meters[i].rests(tasks[i].waits, round);
  }

  /** A round in which a task did work has taken `ms`. */
  #took(ms: number, isMeasured: boolean, round: number): void {
    this.#roundMs = ms;
    if (isMeasured) this.#settle();
    else if (ms < LONG_ROUND_MS || !this.#settleRound(ms, round)) {
      this.#unmeasuredMs += ms;
      this.#rounds++;
    }
  }

  /**
   * Adds the time of a long round that was not measured to the one task that worked in it. Of
   * several tasks, those with the longest turns get it, if the round was slow. Returns whether the
   * time was added.
   */
  #settleRound(ms: number, round: number): boolean {
    const turned = this.#meters.filter((meter) => meter.hasTurnedIn(round));
    if (turned.length === 0 || turned.length > 1 && ms < SLOW_ROUND_MS) return false;
    const sum = turned.reduce((all, { longestMs }) => all + longestMs, 0);
    for (const meter of turned) {
      const share = turned.length === 1 || sum === 0 ? 1 / turned.length : meter.longestMs / sum;
      meter.settleLast(ms * share, turned.length === 1);
    }
    return true;
  }

  /** Shares out the time of the rounds that were not measured. */
  #settle(): void {
    this.#rounds = 0;
    if (this.#unmeasuredMs === 0) return;
    let sum = 0;
    for (const meter of this.#meters) sum += meter.unmeasuredMs;
    if (sum === 0) return; // nothing is known yet
    for (const meter of this.#meters) meter.settle(this.#unmeasuredMs / sum);
    this.#unmeasuredMs = 0;
  }

  async #sleep(tasks: readonly Task[]): Promise<void> {
    if (this.#woken) return;
    const at = tasks.reduce((first, task) => Math.min(first, task.wakeTime()), Infinity);
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve; // before the clock is asked, which may wake at once
    const cancel = at < Infinity ? this.#clock.wakeAt(at, () => this.wake()) : () => {};
    await woken.promise;
    cancel();
    this.#wake = () => {};
  }
}
