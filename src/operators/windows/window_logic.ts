/**
 * The state of one key of a window step: its open windows and its watermark.
 *
 * @module
 */
import { preview } from "../../core/preview.ts";
import type { Emit } from "../../graph/contracts.ts";
import type { EventTime } from "../../graph/event_time.ts";
import { KeyedLogic } from "../../graph/keyed_logic.ts";
import type { BeginStep, StepScope } from "../../graph/nodes.ts";
import type { WindowClock } from "../../windows/clocks.ts";
import { type Assign, assignBy, type OpenWindow } from "../../windows/open_windows.ts";
import { mergeBy, type PartialWindows } from "../../windows/partial_windows.ts";
import type { WindowFold } from "../../windows/window_fold.ts";
import type { Windower, WindowSpan } from "../../windows/windowers.ts";
import { dateAt } from "../step_options.ts";

/** The shortest drift that nobody has asked for, in milliseconds. */
const SHORTEST_DRIFT_MS = 1_000;

/** What a window step emits: the result of a window, or a late value. */
export interface WindowEvent {
  readonly late: boolean;
  /** The result, or the late value. */
  readonly value: unknown;
  /** The window of a result. */
  readonly span: WindowSpan | null;
}

/**
 * A key in a snapshot: its watermark, then each open window's beginning, end and accumulator. If no
 * window is open, it is the watermark and when to forget the key, by system time. All times
 * are in milliseconds since the Unix epoch. A key of a system clock has no watermark.
 */
type Snapshot = [watermark: number | null, ...windows: unknown[]];

/** The parts of a window step. */
export interface WindowStep<V, A, R> {
  readonly clock: WindowClock<V>;
  readonly windower: Windower;
  readonly fold: WindowFold<V, A, R>;
}

/** Makes the logic of the keys of a window step. */
export function windowLogic<V, A, R>(step: WindowStep<V, A, R>, name = "a window step"): BeginStep {
  requireClock(name, step.clock);
  requireWindower(name, step.windower);
  const { clock: { kind, watermark } } = step;
  const Logic = kind === "system"
    ? SystemWindows<V, A, R>
    : watermark === "step"
    ? StepWindows<V, A, R>
    : KeyWindows<V, A, R>;
  return (scope) => {
    const assign = assignBy(step.windower, step.fold);
    const merge = mergeBy(step.windower, step.fold);
    const shared = { ...step, time: scope, event: scope.event, assign, merge };
    scope.openWindows = 0;
    scope.event.openFrom = (time) => openFrom(step, time);
    scope.event.closedTo = () => closedTo(step, scope);
    return (resumed, _key) => new Logic(shared, resumed as Snapshot | undefined);
  };
}

/**
 * Returns how far a source may be read ahead of others, in milliseconds of event time. By default,
 * as long as a value waits at most for its window to close. So about twice as many windows are open
 * as there must be.
 */
export function driftOf({ clock, windower }: WindowStep<never, unknown, unknown>): number {
  if (clock.kind !== "event") return Infinity;
  if (clock.driftMs !== null) return clock.driftMs;
  const [span] = windower.windowsAt(0);
  return Math.max(SHORTEST_DRIFT_MS, span.closeAt - span.openAt + clock.waitMs);
}

/**
 * Returns where the first window begins that can be opened, or stay open, once the sources' time
 * has come so far.
 */
function openFrom({ clock, windower }: WindowStep<never, unknown, unknown>, time: number): number {
  if (!Number.isFinite(time)) return time;
  const watermark = time - clock.waitMs;
  const [span] = windower.windowsAt(watermark);
  // A value before the watermark begins a session that is still open.
  return windower.overlap === "merge" ? watermark - (span.closeAt - span.openAt) : span.openAt;
}

/** Returns up to where windows may have closed. A key's own watermark is not beyond that. */
function closedTo({ clock }: WindowStep<never, unknown, unknown>, scope: StepScope): number {
  const ofSources = scope.event.now - clock.waitMs;
  return clock.watermark === "step" ? Math.max(scope.forgotten, ofSources) : ofSources;
}

/** What all keys of a step on a worker share. */
interface Shared<V, A, R> extends WindowStep<V, A, R> {
  readonly time: StepScope;
  readonly event: EventTime;
  readonly assign: Assign<V, A>;
  readonly merge: (windows: OpenWindow<A>[], partial: PartialWindows, watermark: number) => void;
}

abstract class Windows<V, A, R> extends KeyedLogic<V, WindowEvent, Snapshot> {
  protected readonly shared: Shared<V, A, R>;
  /**
   * Sorted by end, then by beginning. Created with room for two: an array that grows from nothing
   * makes room for 17, and frees it when it is emptied.
   */
  protected readonly windows: OpenWindow<A>[] = new Array(2);

  constructor(shared: Shared<V, A, R>, resumed: Snapshot | undefined) {
    super(true);
    this.shared = shared;
    this.windows.length = 0;
    if (resumed === undefined) return;
    for (let i = 1; i + 2 < resumed.length; i += 3) {
      const [openAt, closeAt, acc] = resumed.slice(i, i + 3) as [number, number, A];
      shared.fold.check?.(acc);
      this.windows.push({ span: { openAt, closeAt }, acc });
    }
    shared.time.openWindows! += this.windows.length;
    if (this.windows.length > 0) this.willClose();
  }

  /** The current time, in milliseconds since the Unix epoch. */
  protected abstract watermark(): number;

  protected take(value: V, time: number, watermark: number, emit: Emit<WindowEvent>): void {
    const { windows, shared } = this;
    if (windows.length > 0 && windows[0].span.closeAt <= watermark) this.close(watermark, emit);
    const { early } = shared.fold;
    const onAdded = early === undefined ? null : emitEarly(early, emit);
    const before = windows.length;
    const isLate = shared.assign(windows, value, time, watermark, onAdded);
    if (windows.length !== before) shared.time.openWindows! += windows.length - before;
    if (isLate) emit({ late: true, value, span: null });
  }

  /** The same for values that have been combined on their way here. */
  protected takePartial(
    partial: PartialWindows,
    watermark: number,
    emit: Emit<WindowEvent>,
  ): void {
    const { windows, shared } = this;
    const before = windows.length;
    shared.merge(windows, partial, watermark);
    shared.time.openWindows! += windows.length - before;
    if (windows[0].span.closeAt <= watermark) this.close(watermark, emit);
  }

  /** The step is to look at the key once the sources' time has passed its first window. */
  protected willClose(): void {
    const { windows, shared: { clock, time: { event } } } = this;
    if (!this.markedForSources) {
      this.markedForSources = true;
      event.changed.push(this as KeyedLogic);
    }
    if (windows.length === 0) return;
    const at = windows[0].span.closeAt + clock.waitMs;
    if (at < event.nextClose) event.nextClose = at;
  }

  override holdsFrom(): number {
    return this.windows.length === 0 ? Infinity : this.windows[0].span.openAt;
  }

  /** Closes the windows that are due, in order. */
  protected close(watermark: number, emit: Emit<WindowEvent>): void {
    const { windows, shared: { fold } } = this;
    let due = 0;
    for (; due < windows.length && windows[due].span.closeAt <= watermark; due++) {
      const { span, acc } = windows[due];
      if (fold.result !== undefined) emit({ late: false, value: fold.result(acc), span });
    }
    this.shared.time.openWindows! -= due;
    if (due === windows.length) windows.length = 0;
    else if (due > 0) windows.splice(0, due);
  }

  override snapshot(): Snapshot {
    const snapshot: Snapshot = [null];
    for (const { span, acc } of this.windows) snapshot.push(span.openAt, span.closeAt, acc);
    return snapshot;
  }
}

/**
 * Returns a function that emits the early results of a window. It is not a closure of `take`, which
 * would then allocate a context for every value.
 */
function emitEarly<A, R>(
  early: (acc: A) => readonly R[],
  emit: Emit<WindowEvent>,
): (window: OpenWindow<A>) => void {
  return ({ acc, span }) => {
    for (const value of early(acc)) emit({ late: false, value, span });
  };
}

/** Event time where each key has a watermark of its own, which is not beyond that of the step. */
class KeyWindows<V, A, R> extends Windows<V, A, R> {
  /** The key's own watermark, less the step's quiet time, so that only values change it. */
  #watermarkOffset: number;
  #forgetAt: number | null = null; // by system time
  #closedTo = -Infinity; // the watermark when the last window closed
  #done = false;

  constructor(shared: Shared<V, A, R>, resumed: Snapshot | undefined) {
    super(shared, resumed);
    this.#watermarkOffset = (resumed?.[0] ?? shared.time.forgotten) - shared.time.event.quiet;
    if (resumed?.length === 2) {
      // The clock may have been set back between two runs.
      this.#forgetAt = Math.min(
        resumed[1] as number,
        shared.time.now() + shared.clock.retentionMs,
      );
      this.#closedTo = resumed[0] as number;
      this.#forgetIfDue();
    }
  }

  protected override watermark(): number {
    const { time, clock } = this.shared;
    return Math.min(this.#own, time.event.now - clock.waitMs);
  }

  get #own(): number {
    return this.#watermarkOffset + this.shared.time.event.quiet;
  }

  override onItem(value: V, emit: Emit<WindowEvent>): void {
    const { clock, event } = this.shared;
    const { quiet } = event;
    const time = clock.timeOf(value);
    const offset = time - clock.waitMs - quiet;
    if (offset > this.#watermarkOffset) this.#watermarkOffset = offset;
    this.#forgetAt = null;
    event.see(time);
    const own = this.#watermarkOffset + quiet;
    const ofSources = event.now - clock.waitMs;
    if (ofSources >= own && !event.isHolding) { // mostly
      this.take(value, time, own, emit);
      return;
    }
    const first = this.windows.at(0);
    this.take(value, time, Math.min(own, ofSources), emit);
    if (ofSources < own) this.#waitForSources(own);
    if (event.isHolding && this.windows.at(0) !== first) this.willClose();
  }

  override onPartial(partial: PartialWindows, emit: Emit<WindowEvent>): void {
    const { clock, time: { event } } = this.shared;
    const offset = partial[0] - clock.waitMs - event.quiet;
    if (offset > this.#watermarkOffset) this.#watermarkOffset = offset;
    this.#forgetAt = null;
    const first = this.windows.at(0);
    this.takePartial(partial, this.watermark(), emit);
    this.#waitForSources(this.#own);
    if (event.isHolding && this.windows.at(0) !== first) this.willClose();
  }

  #waitForSources(own: number): void {
    const { windows } = this;
    if (windows.length > 0 && windows[0].span.closeAt <= own) this.willClose();
  }

  override onNotify(emit: Emit<WindowEvent>): void {
    this.close(this.watermark(), emit);
    if (this.windows.length === 0) this.#forgetIfDue();
    else this.#waitForSources(this.#own);
  }

  #forgetIfDue(): void {
    const { time, clock } = this.shared;
    if (this.#forgetAt === null || time.now() < this.#forgetAt) return;
    // One value with a time far in the future must not make all later ones late.
    const since = this.#forgetAt - clock.retentionMs;
    time.forgotten = Math.max(time.forgotten, Math.min(this.#closedTo, since));
    this.#done = true;
  }

  /** Once the windows have closed, the next run treats values for them as late. */
  override onEnd(emit: Emit<WindowEvent>): void {
    const last = this.windows.at(-1)?.span.closeAt ?? -Infinity;
    this.close(Infinity, emit);
    const { time, clock } = this.shared;
    this.#watermarkOffset = Math.max(this.#watermarkOffset, last - time.event.quiet);
    time.event.reach(last + clock.waitMs);
    this.#planToForget();
  }

  #planToForget(): number {
    if (this.#forgetAt === null) this.#closedTo = this.#own;
    return this.#forgetAt ??= this.shared.time.now() + this.shared.clock.retentionMs;
  }

  /** What only the sources hold back is not due by quiet time: it would be due again at once. */
  override quietUntil(): number {
    const { windows, shared: { time: { event }, clock } } = this;
    if (windows.length === 0) return Infinity;
    const { closeAt } = windows[0].span;
    const due = closeAt - this.#watermarkOffset;
    return due <= event.quiet && closeAt > event.now - clock.waitMs ? Infinity : due;
  }

  /** Only windows that the key's own watermark has passed wait for the sources. */
  override sourcesUntil(): number {
    const { windows, shared: { clock } } = this;
    if (windows.length === 0 || windows[0].span.closeAt > this.#own) return Infinity;
    return windows[0].span.closeAt + clock.waitMs;
  }

  override notifyAt(): Date | null {
    if (this.windows.length > 0) return null;
    return dateAt(this.#planToForget());
  }

  override isDone(): boolean {
    return this.#done;
  }

  override snapshot(): Snapshot {
    const snapshot = super.snapshot();
    snapshot[0] = this.#own;
    if (this.windows.length === 0) snapshot.push(this.#planToForget());
    return snapshot;
  }
}

/** Event time where all keys share the watermark of the step. */
class StepWindows<V, A, R> extends Windows<V, A, R> {
  protected override watermark(): number {
    const { time, clock } = this.shared;
    return Math.max(time.forgotten, time.event.now - clock.waitMs);
  }

  override onItem(value: V, emit: Emit<WindowEvent>): void {
    const { clock, event } = this.shared;
    const time = clock.timeOf(value);
    event.see(time);
    const { windows } = this;
    const first = windows.length > 0 ? windows[0] : undefined;
    this.take(value, time, this.watermark(), emit);
    if (windows.length > 0 && windows[0] !== first) this.willClose();
  }

  override onPartial(partial: PartialWindows, emit: Emit<WindowEvent>): void {
    const first = this.windows.at(0);
    this.takePartial(partial, this.watermark(), emit);
    if (this.windows.length > 0 && this.windows[0] !== first) this.willClose();
  }

  override onNotify(emit: Emit<WindowEvent>): void {
    this.close(this.watermark(), emit);
  }

  /** Once the windows have closed, the next run treats values for them as late. */
  override onEnd(emit: Emit<WindowEvent>): void {
    const { time } = this.shared;
    const last = this.windows.at(-1)?.span.closeAt ?? -Infinity;
    this.close(Infinity, emit);
    time.forgotten = Math.max(time.forgotten, last);
  }

  override sourcesUntil(): number {
    const { windows, shared: { clock } } = this;
    return windows.length === 0 ? Infinity : windows[0].span.closeAt + clock.waitMs;
  }

  override isDone(): boolean {
    return this.windows.length === 0;
  }
}

/** System time: when values arrive here. */
class SystemWindows<V, A, R> extends Windows<V, A, R> {
  constructor(shared: Shared<V, A, R>, resumed: Snapshot | undefined) {
    super(shared, resumed);
    if (resumed === undefined) return;
    // The clock may have been set back between two runs. These windows have begun, so they must
    // end.
    for (const { span } of this.windows) shared.time.reach(span.openAt);
    this.watermark();
  }

  /** Time does not go back, not even in a later run: a closed window must not open again. */
  protected override watermark(): number {
    const { time } = this.shared;
    const now = time.now();
    if (now >= time.forgotten) return time.forgotten = now;
    time.reach(time.forgotten);
    return time.forgotten;
  }

  override onItem(value: V, emit: Emit<WindowEvent>): void {
    const now = this.watermark();
    this.take(value, now, now, emit);
  }

  override onNotify(emit: Emit<WindowEvent>): void {
    this.close(this.watermark(), emit);
  }

  override onEnd(emit: Emit<WindowEvent>): void {
    this.close(Infinity, emit);
  }

  override notifyAt(): Date | null {
    return this.windows.length === 0 ? null : dateAt(this.windows[0].span.closeAt);
  }

  override isDone(): boolean {
    return this.windows.length === 0;
  }
}

/** Throws a `TypeError` unless it is a clock. */
export function requireClock(name: string, clock: WindowClock<never>): void {
  const kind: unknown = clock?.kind;
  if (kind === "system" || (kind === "event" && typeof clock.timeOf === "function")) return;
  throw new TypeError(
    `${name} must be given a clock (new EventClockConfig({ getTime, wait }) or ` +
      `new SystemClockConfig()); got ${preview(clock)}`,
  );
}

function requireWindower(name: string, windower: Windower): void {
  const overlap: unknown = windower?.overlap;
  const known = overlap === "never" || overlap === "may" || overlap === "merge";
  if (known && typeof windower.windowsAt === "function") return;
  throw new TypeError(
    `${name} must be given a windower, such as new TumblingWindowConfig({ length }); got ` +
      preview(windower),
  );
}
