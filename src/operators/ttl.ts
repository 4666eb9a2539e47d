import { requireOptions } from "../core/options.ts";
import type { Duration } from "../core/duration.ts";
import type { BuildLogic, Emit, StepTime } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { type OwnTime, ownTimes } from "./own_time.ts";
import { refusePromise } from "../graph/results.ts";
import { dateAt, positiveMilliseconds } from "./step_options.ts";
import { requireFunction } from "./user_function.ts";

/** How long a stateful step keeps its keys. */
export interface StateOptions {
  /**
   * Forgets a key after this time without a value, and emits nothing for it. Its next value starts
   * over. The time is that of the run's clock, and also passes between two runs. Without a ttl,
   * keys stay until their step is done with them.
   *
   * @default {for ever}
   */
  readonly ttl?: Duration;
}

const TOUCHED = "millrace:touched";

/**
 * A key with a ttl in a snapshot: the step's own state, and when the last value came, in
 * milliseconds since the Unix epoch. The marker property distinguishes it from a plain state, so a
 * flow may add or remove the ttl between runs. A user's state with exactly these two properties
 * would be misread.
 */
interface Touched<S> {
  readonly [TOUCHED]: number;
  readonly state: S;
}

/**
 * Wraps `build` so that keys expire after the ttl. Without a ttl, the logic can still resume from a
 * snapshot that has one.
 *
 * @param step The step's name in errors.
 */
export function withTtl<V, W, S>(
  step: string,
  build: BuildLogic<V, W, S>,
  options: StateOptions,
): BuildLogic<V, W, unknown> {
  requireFunction(step, build);
  requireOptions(step, options, ["ttl"]);
  const timeOf = ownTimes();
  if (options.ttl === undefined) {
    return (resume, key, time, resumed) => {
      const own = timeOf(time);
      return own.makeLogic(build(stateOf<S>(resume), key, own, resumed), key);
    };
  }
  const ttl = positiveMilliseconds(options.ttl, `ttl of ${step}`);
  return (resume, key, time, resumed) =>
    new Expiring(build, ttl, timeOf(time), key, resume, resumed);
}

function isTouched(resume: unknown): resume is Touched<unknown> {
  if (typeof resume !== "object" || resume === null || !(TOUCHED in resume)) return false;
  return typeof resume[TOUCHED] === "number" && "state" in resume &&
    Object.keys(resume).length === 2;
}

/** Returns the step's own state from a snapshot with or without a ttl. */
function stateOf<S>(resume: unknown): S | undefined {
  return (isTouched(resume) ? resume.state : resume) as S | undefined;
}

/** Holds the logic of a key, and drops it when the ttl has passed. */
class Expiring<V, W, S> extends KeyedLogic<V, W, Touched<S>> {
  readonly #build: BuildLogic<V, W, S>;
  readonly #ttl: number;
  readonly #ownTime: OwnTime;
  readonly #time: StepTime;
  #logic: KeyedLogic<V, W, S>;
  #touched: number;
  #stored: boolean; // whether snapshots can have the time
  #expired = false;

  constructor(
    build: BuildLogic<V, W, S>,
    ttl: number,
    time: OwnTime,
    key: string,
    resume: unknown,
    resumed: boolean,
  ) {
    super(true);
    this.#build = build;
    this.#ttl = ttl;
    this.#ownTime = time;
    this.#time = time.scope;
    this.key = key;
    this.#logic = this.#begin(stateOf<S>(resume), resumed);
    // A snapshot without ttl does not hold when the last value came. So the time begins now, and
    // the next snapshot must record it. Otherwise each restart would begin it again, and the key
    // would stay for ever.
    this.#stored = !resumed || isTouched(resume);
    // The clock may have been set back between two runs.
    this.#touched = Math.min(isTouched(resume) ? resume[TOUCHED] : Infinity, this.#time.now());
  }

  override onItem(value: V, emit: Emit<W>): void {
    const now = this.#time.now();
    // The value may be ahead of the timer.
    if (now >= this.#expiry) {
      this.#settle(emit);
      this.#logic = this.#begin(undefined, false);
    }
    this.#touched = now;
    this.#stored = true;
    return this.#logic.onItem(value, emit);
  }

  override onNotify(emit: Emit<W>): void {
    this.#stored = true; // who has been notified is in the next snapshot
    const now = this.#time.now();
    if (now >= this.#expiry) this.#expire(emit);
    else if (now >= this.#due()) return this.#logic.onNotify(emit);
  }

  override onEnd(emit: Emit<W>): void {
    if (this.#time.now() >= this.#expiry) this.#expire(emit);
    else return this.#logic.onEnd(emit);
  }

  override get handlesEnd(): boolean {
    return this.#logic.handlesEnd;
  }

  override onStop(emit: Emit<W>): void {
    if (this.#time.now() >= this.#expiry) this.#expire(emit);
    else return this.#logic.onStop(emit);
  }

  override get handlesStop(): boolean {
    return this.#logic.handlesStop;
  }

  override notifyAt(): Date | null {
    if (!this.#stored) return dateAt(this.#touched); // at once
    if (!this.#logic.timed) return dateAt(this.#expiry);
    const due: unknown = this.#logic.notifyAt();
    if (due === null || due === undefined) return dateAt(this.#expiry);
    if (due instanceof Date && due.getTime() > this.#expiry) return dateAt(this.#expiry);
    return due as Date; // or what the engine has to refuse
  }

  override isDone(): boolean {
    return this.#expired || this.#logic.isDone();
  }

  override snapshot(): Touched<S> {
    return { [TOUCHED]: this.#touched, state: this.#logic.snapshot() };
  }

  get #expiry(): number {
    return this.#touched + this.#ttl;
  }

  /** When the logic itself wants to be notified. */
  #due(): number {
    const due: unknown = this.#logic.timed ? this.#logic.notifyAt() : null;
    return due instanceof Date ? due.getTime() : Infinity;
  }

  #begin(state: S | undefined, resumed: boolean): KeyedLogic<V, W, S> {
    const own = this.#ownTime;
    return own.makeLogic(this.#build(state, this.key, own, resumed), this.key);
  }

  #expire(emit: Emit<W>): void {
    this.#settle(emit);
    this.#expired = true;
  }

  /**
   * Delivers the notifications that were due before the key was, in case both come late, as after a
   * restart. Stops when they do not move on in time: a logic that is always due would never end.
   */
  #settle(emit: Emit<W>): void {
    let last = -Infinity;
    for (
      let due = this.#due();
      due > last && due <= this.#expiry && !this.#logic.isDone();
      due = this.#due()
    ) {
      last = due;
      refusePromise("onNotify", this.#logic.onNotify(emit));
    }
  }
}
