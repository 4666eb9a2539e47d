/**
 * How long a graceful stop may take.
 *
 * ```text
 *   stop ───────────────────── giveUp ──────── end ──── over
 *     what has been read         calls of       inputs and outputs
 *     is worked off              mapAsync are   are closed
 *                                told to end
 * ```
 *
 * All of it is within the limit, as what comes after it is a SIGKILL: Docker sends one after 10 s,
 * Kubernetes after 30 s.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../core/clock.ts";
import { counted } from "../core/counted.ts";
import { type Duration, toMilliseconds } from "../core/duration.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

/** How long a graceful stop may take where nobody says, in milliseconds. */
const DEFAULT_STOP_MS = 30_000;

/** How long before the limit calls are told to end: a share of it, and in milliseconds at most. */
const GIVE_UP = { share: 0.3, mostMs: 3_000 };

/** How long before the limit the run ends, so that inputs and outputs can be closed. */
const CLOSE = { share: 0.1, mostMs: 1_000 };

/** Options of a graceful stop. */
export interface StopOptions {
  /**
   * How long a graceful stop may take, from the request to the end of the run; more than zero. At
   * the limit, the run ends at the last committed epoch. With a recovery store the next run
   * continues from there; without one the run rejects, as what was read since is lost. In the last
   * three seconds the signal of `mapAsync` is aborted, so that calls can end early. If the limit is
   * short, this is in the last three tenths of it.
   *
   * @default {{ seconds: 30 }}
   */
  readonly stopTimeout?: Duration;
}

/**
 * The limit of a graceful stop, in milliseconds.
 *
 * @throws {RangeError} If it is not more than zero.
 */
export function stopMilliseconds({ stopTimeout = DEFAULT_STOP_MS }: StopOptions): number {
  const what = "the stop timeout";
  return requireStopTime(toMilliseconds(stopTimeout, what), what);
}

/**
 * Makes sure that a graceful stop may take some time. With none, every stop would be cut short
 * before outputs are closed; and zero means "no limit" to other programs.
 *
 * @param what Where it was given, as the error names it.
 * @throws {RangeError} If it is zero.
 */
export function requireStopTime(ms: number, what: string): number {
  if (ms > 0) return ms;
  throw new RangeError(
    `${what} must be more than zero; got ${ms} ms: for a stop that ends soon give a short time, ` +
      `such as a second; for one that takes as long as it needs a long time, such as a day`,
  );
}

/**
 * How long inputs and outputs may take to close when a stop has come to its limit, in milliseconds.
 */
export function closeMilliseconds(stopMs: number): number {
  return Math.min(stopMs * CLOSE.share, CLOSE.mostMs);
}

/** What happens while a stop takes too long. */
export interface StopLimitActions {
  /** Calls that would keep the stop waiting are to end. */
  giveUp(): void;
  /** The run is to end: inputs and outputs have a little time left to be closed. */
  end(): void;
}

/** Counts the time of a graceful stop. */
export class StopLimit {
  readonly #stopMs: number;
  readonly #clock: Clock;
  readonly #actions: StopLimitActions;
  #started = false;
  #cancels: (() => void)[] = [];

  constructor(stopMs: number, clock: Clock, actions: StopLimitActions) {
    this.#stopMs = stopMs;
    this.#clock = clock;
    this.#actions = actions;
  }

  /** The stop begins. Only the first call counts. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    const { giveUp, end } = this.#actions;
    const giveUpMs = this.#stopMs - Math.min(this.#stopMs * GIVE_UP.share, GIVE_UP.mostMs);
    this.#cancels = [
      this.#after(giveUpMs, giveUp),
      this.#after(this.#stopMs - closeMilliseconds(this.#stopMs), end),
    ];
  }

  /** The run has come to its end. */
  clear(): void {
    this.#started = true;
    for (const cancel of this.#cancels) cancel();
  }

  #after(ms: number, act: () => void): () => void {
    return wakeAfter(this.#clock, ms, act);
  }
}

/**
 * Since when what has been read is not durable yet: for a run without a recovery store, it may be
 * lost.
 */
export class ReadSince {
  readonly #clock: Clock;
  #at: number | null = null;
  #next: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In milliseconds since 1970; `null` where nothing has been read at all. */
  get at(): number | null {
    return this.#at;
  }

  /** The inputs begin to be read. */
  begin(): void {
    this.#at = this.#clock.now();
  }

  /** The end of an epoch is triggered: what is read from now on belongs to the next one. */
  trigger(): void {
    this.#next = this.#clock.now();
  }

  /** That epoch is durable. */
  commit(): void {
    this.#at = this.#next ?? this.#at;
  }
}

/** A step that has not come to its end. */
export interface LeftStep {
  readonly step: StepId;
  /** How many items it is working on, as far as that is known. */
  readonly inFlight: number;
}

/** What a worker has not done. */
export interface LeftOnWorker {
  readonly worker: WorkerIndex;
  /** Its steps; or in words why there is nothing to be said of them. */
  readonly left: readonly LeftStep[] | string;
}

/** What was left, in words: which worker, which steps, how many items. */
export function describeLeft(workers: readonly LeftOnWorker[]): string {
  const busy = workers.filter(({ left }) => left.length > 0);
  return busy.map(({ worker, left }) => {
    const what = typeof left === "string" ? left : left.map(describeStep).join(", ");
    return workers.length === 1 ? what : `worker ${worker}: ${what}`;
  }).join("; ") || "nothing but to commit the last epoch";
}

function describeStep({ step, inFlight }: LeftStep): string {
  if (inFlight === 0) return `step "${step}"`;
  return `step "${step}" with ${counted(inFlight, "item")} in flight`;
}

/** What is known when a stop has come to its limit. */
export interface StopOutcome {
  readonly stopMs: number;
  /** As {@linkcode describeLeft} puts it. */
  readonly left: string;
  /** The last committed epoch of the recovery store; `null` without one. */
  readonly epoch: Epoch | null;
  /**
   * When the last epoch began, in milliseconds since 1970: all that was read before is durable.
   * `null`: nothing has been read at all.
   */
  readonly since: number | null;
}

/**
 * How a run ends whose stop has come to its limit.
 *
 * @returns The error it ends with; `null` where nothing is lost, which the log says then.
 */
export function cutShort({ stopMs, left, epoch, since }: StopOutcome, log: Log): Error | null {
  if (since === null) {
    log.warn("the stop took too long while the flow was starting: nothing had been read", { left });
    return null;
  }
  if (epoch !== null) {
    if (epoch >= 0) {
      log.warn("the stop took too long: the run ends at the last committed epoch", { epoch, left });
    } else log.warn("the stop took too long: the run ends where it began", { left });
    return null;
  }
  return new Error(
    `the stop took too long (--stop-timeout, ${stopMs / 1_000} s): what was read since ` +
      `${new Date(since).toISOString()} and has not been worked off is dropped, as there is no ` +
      `recovery store (--recovery). Left: ${left}`,
  );
}
