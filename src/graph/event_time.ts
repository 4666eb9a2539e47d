import type { KeyedLogic } from "./keyed_logic.ts";

/**
 * Event time at a step on one worker: how far its sources have come. Window steps tell it the time
 * of each value. It is a class of plain fields, as it is read and written for every value.
 */
export class EventTime {
  /**
   * How far event time has come, in milliseconds since the Unix epoch. It is the newest time of the
   * source that is least far, of all that can still send something to the step. It never goes back.
   * While the step is quiet, it follows system time. Negative infinity until it is known which
   * sources there are; infinity where sources do not matter.
   */
  now: number;
  /**
   * A window may close once `now` has come this far, in milliseconds since the Unix epoch. The
   * engine asks the keys that are {@linkcode EventTime.changed} then, and sets it again.
   */
  nextClose = Infinity;
  /** Keys whose first window is another one than when they were asked, each once. */
  changed: KeyedLogic[] = [];
  /** Whether steps downstream ask from when on there may be results. */
  isHolding = false;
  /** For how long the step has been quiet, in milliseconds: the value of `StepTime.quiet`. */
  quiet = 0;
  /** The newest time of the source whose values come; infinity if that does not matter. */
  newest = Infinity;
  /** Up to this time, `now` follows the source whose values come. For the engine. */
  until = -Infinity;
  readonly #onBeyond: () => void;

  /** `onBeyond` is called when a time is later than `until`, if that is not negative infinity. */
  constructor(now = -Infinity, onBeyond: () => void = () => {}) {
    this.now = now;
    this.#onBeyond = onBeyond;
  }

  /**
   * Returns where the first window begins that can be opened, or stay open, once the sources' time
   * has come so far. A window step sets it, for the steps downstream that go by time too.
   */
  openFrom: (time: number) => number = () => -Infinity;

  /**
   * Returns up to where windows may have closed here, in milliseconds since the Unix epoch. No
   * window that ends after this has closed. A window step sets it.
   */
  closedTo: () => number = () => Infinity;

  /** A value with this time has come. */
  see(time: number): void {
    if (time <= this.newest) return;
    this.newest = time;
    if (time <= this.now) return;
    if (time <= this.until) this.now = time;
    else if (this.until > -Infinity) this.#onBeyond();
  }

  /**
   * The step has been quiet for this long in all, in milliseconds: time has gone on. It does not go
   * beyond `most`, as results of other steps may still come that are as old.
   */
  passQuiet(ms: number, most = Infinity): void {
    if (ms <= this.quiet) return;
    this.reach(Math.min(this.now + ms - this.quiet, most));
    this.quiet = ms;
  }

  /** Time has come at least this far: windows have closed for another reason, as at the end. */
  reach(time: number): void {
    if (time > this.now) this.now = time;
  }
}
