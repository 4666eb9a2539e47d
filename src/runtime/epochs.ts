/**
 * Closes epochs: one at a time, for all workers together.
 *
 * ```text
 *   open ──interval──▶ closing ──all workers have closed it──▶ open (the next epoch)
 *                         │
 *                         └──all workers have ended──▶ ended
 * ```
 *
 * An epoch's time begins when the one before begins to close. So the interval is that between two
 * ends, as long as closing and committing take less than half of it. After a slow commit, half of
 * the interval is left for other work.
 *
 * @module
 */
import { type Clock, elapsedOf, wakeAfter } from "../core/clock.ts";
import type { Epoch, WorkerIndex } from "../core/ids.ts";

/** What the coordinator of epochs has done to the workers. */
export interface EpochActions {
  /** The epoch is to end: sources send its barrier after their current batch. */
  trigger(epoch: Epoch): void;
  /**
   * All workers have acknowledged the epoch: it is to be committed, and outputs may make it visible
   * then. The next one is not triggered before the promise resolves; it must not reject.
   */
  commit(epoch: Epoch): void | Promise<void>;
  /** Workers have been closing the epoch for `ms`, which is long: operators need to know why. */
  stillClosing(epoch: Epoch, workers: readonly WorkerIndex[], ms: number): void;
}

/**
 * An epoch that has been closing for this many intervals is warned of, then after twice as many.
 */
const SLOW_INTERVALS = 10;

/** The least time before that, in milliseconds: epochs may be very short. */
const SLOW_MS = 5_000;

/** Decides when epochs end. Knows workers by their index only. */
export class EpochCycle {
  readonly #actions: EpochActions;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #open: Set<WorkerIndex>; // workers that have not acknowledged the current epoch yet
  readonly #running: Set<WorkerIndex>; // workers that have not ended
  #epoch: Epoch;
  #closing = false;
  #closingAt = 0; // when the last epoch began to close, by the clock that nobody sets
  #stopped = false;
  #cancel: () => void = () => {};
  #cancelWarning: () => void = () => {};

  /** `epoch` is the one that the run starts in. */
  constructor(
    actions: EpochActions,
    options: { workers: number; intervalMs: number; clock: Clock; epoch: Epoch },
  ) {
    this.#actions = actions;
    this.#clock = options.clock;
    this.#intervalMs = options.intervalMs;
    this.#epoch = options.epoch;
    this.#running = new Set(Array.from({ length: options.workers }, (_, index) => index));
    this.#open = new Set(this.#running);
  }

  /** The current epoch: nothing after it has begun. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Starts the first epoch's time. */
  start(): void {
    this.#cancel = wakeAfter(this.#clock, this.#intervalMs, () => this.#close());
  }

  /** Ends no more epochs. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#cancelWarning();
  }

  /** A worker acknowledges an epoch: all it read in it is out and durable. */
  acknowledge(worker: WorkerIndex, epoch: Epoch): void {
    if (epoch !== this.#epoch || !this.#closing) {
      throw new Error(`worker ${worker} acknowledged epoch ${epoch} in epoch ${this.#epoch}`);
    }
    this.#open.delete(worker);
    this.#advance();
  }

  /** A worker has come to the end of its inputs: it counts as closing every epoch to come. */
  ended(worker: WorkerIndex): void {
    this.#running.delete(worker);
    this.#open.delete(worker);
    if (this.#running.size === 0) this.stop();
    else if (this.#closing) this.#advance();
  }

  #close(): void {
    this.#closing = true;
    this.#closingAt = elapsedOf(this.#clock);
    const slowMs = Math.max(SLOW_MS, SLOW_INTERVALS * this.#intervalMs);
    this.#warnAfter(slowMs, slowMs);
    this.#actions.trigger(this.#epoch);
  }

  /** Warns after `ms`, of an epoch that will then have been closing for `inAll`. */
  #warnAfter(ms: number, inAll: number): void {
    this.#cancelWarning = wakeAfter(this.#clock, ms, () => {
      this.#actions.stillClosing(this.#epoch, [...this.#open], inAll);
      this.#warnAfter(inAll, 2 * inAll);
    });
  }

  #advance(): void {
    if (this.#open.size > 0 || this.#running.size === 0) return;
    const epoch = this.#epoch++;
    this.#closing = false;
    this.#cancelWarning();
    for (const worker of this.#running) this.#open.add(worker);
    const committing = this.#actions.commit(epoch);
    if (committing === undefined) this.#startNext();
    else {
      void committing.then(() => {
        if (this.#running.size > 0 && !this.#stopped) this.#startNext();
      });
    }
  }

  /** The epoch before is committed: what is left of the time of the next one begins. */
  #startNext(): void {
    const left = this.#closingAt + this.#intervalMs - elapsedOf(this.#clock);
    this.#cancel = wakeAfter(
      this.#clock,
      Math.max(left, this.#intervalMs / 2),
      () => this.#close(),
    );
  }
}
