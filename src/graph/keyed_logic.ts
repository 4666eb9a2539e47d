/**
 * The engine's record of one key, and the base of our own stateful steps.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { createCopier } from "../core/value_copy.ts";
import type { Emit, StatefulLogic } from "./contracts.ts";
import { badResult } from "./results.ts";

/**
 * Marks a logic of ours. It is a registered symbol, as `instanceof` fails when the flow file and
 * the command line have loaded two copies of this module.
 */
const LOGIC_BRAND: unique symbol = Symbol.for("millrace.keyedLogic");

/** When a key is to be notified. */
export interface KeyTimer {
  /** The logic of the key. */
  readonly owner: KeyedLogic;
  /** When it is due, in milliseconds; infinity for never. */
  due: number;
  /** The time by which the queue has sorted it. */
  queued: number;
  /** Its index in the queue; -1 if it is not queued. */
  index: number;
}

/** What a key waits for in the time of its step's sources. */
export interface SourceTimers {
  /** For `sourcesUntil`. */
  readonly close: KeyTimer;
  /** For `holdsFrom`; `null` where nobody asks. */
  readonly hold: KeyTimer | null;
}

/**
 * One key: its state and what the engine notes about it, in one object. With many keys, most of
 * the time is spent waiting for memory. So a built-in logic *is* the engine's record. Only a user's
 * logic needs another object around it (measured: 8 ns of 58 an item, at 1,000 keys).
 */
export abstract class KeyedLogic<V = unknown, W = unknown, S = unknown>
  implements StatefulLogic<V, W, S> {
  /** Marks it as one of ours: see `isKeyedLogic`. */
  get [LOGIC_BRAND](): true {
    return true;
  }

  /** The key; set by the engine. */
  key = "";
  /** Its number in snapshots; -1 if it has none, or if the key was forgotten. For the engine. */
  id = -1;
  /** Whether a snapshot has the key; for the engine. */
  isStored = false;
  /** Whether `notifyAt` may return a time. */
  readonly timed: boolean;
  /** Whether it waits to be asked for its timer, as values came since; for the engine. */
  markedForTimer = false;
  /** The timer, once there has been one; for the engine. */
  timer: KeyTimer | null = null;
  /** The same for `quietUntil`. */
  quietTimer: KeyTimer | null = null;
  /** What it waits for in the time of the sources, once it has; for the engine. */
  sourceTimers: SourceTimers | null = null;
  /** Whether it waits to be asked for `sourcesUntil`; for the engine. */
  markedForSources = false;
  /**
   * Whether the next snapshot must have it: it is marked as changed, or no snapshots are taken. For
   * the engine, which reads it for every item.
   */
  dirty = true;

  /** `timed`: whether `notifyAt` may return a time. */
  constructor(timed = false) {
    this.timed = timed;
  }

  abstract onItem(value: V, emit: Emit<W>): void;

  /** A partial result of several values has come. Only steps with a `windowCombiner` get any. */
  onPartial(_partial: unknown, _emit: Emit<W>): void {
    throw new Error(`the step of key ${preview(this.key)} takes no partial results`);
  }

  onNotify(_emit: Emit<W>): void {}

  onEnd(_emit: Emit<W>): void {}

  /** Whether it does anything when the input ends. */
  get handlesEnd(): boolean {
    return this.onEnd !== KeyedLogic.prototype.onEnd;
  }

  onStop(_emit: Emit<W>): void {}

  /** Whether it does anything at a stop after which nothing keeps the state. */
  get handlesStop(): boolean {
    return this.onStop !== KeyedLogic.prototype.onStop;
  }

  notifyAt(): Date | null {
    return null;
  }

  /**
   * Returns when `onNotify` is due, in the time of `StepTime.quiet`; infinity for never. Only steps
   * that are `quiet` are asked, and only when they become quiet instead of after each batch.
   */
  quietUntil(): number {
    return Infinity;
  }

  /**
   * Returns when `onNotify` is due, in the time of `StepScope.event`; infinity for never. Asked if
   * it is in `EventTime.changed`, before the sources' time is looked at.
   */
  sourcesUntil(): number {
    return Infinity;
  }

  /**
   * Returns the least time that what it will emit can have, in milliseconds since the Unix epoch;
   * infinity if it holds nothing. Only steps that are `quiet` are asked.
   */
  holdsFrom(): number {
    return Infinity;
  }

  isDone(): boolean {
    return false;
  }

  abstract snapshot(): S;
}

/** A logic with exactly one output for each value, and nothing to do at any other time. */
export abstract class SingleLogic<V = unknown, W = unknown, S = unknown>
  extends KeyedLogic<V, W, S> {
  /** Returns the output for a value. */
  abstract one(value: V): W;

  override onItem(value: V, emit: Emit<W>): void {
    emit(this.one(value));
  }
}

/** What the users' logics of a step share. */
export class UserStep {
  /** Returns by how many milliseconds the run's time is ahead of the clock that `notifyAt` uses. */
  readonly ahead: () => number;
  readonly #copyOf = createCopier();
  /** The last argument of `copying`, and its result. */
  emit: Emit<never> | null = null;
  emitCopy: Emit<never> | null = null;

  constructor(ahead: () => number = () => 0) {
    this.ahead = ahead;
  }

  /** Returns an `emit` that copies objects: the user may still change what was emitted. */
  copying<W>(emit: Emit<W>): Emit<W> {
    if (emit !== this.emit) {
      this.emit = emit;
      const copyOf = this.#copyOf;
      this.emitCopy = (value: W) => emit(typeof value === "object" ? copyOf(value) : value);
    }
    return this.emitCopy as Emit<W>;
  }
}

/** Wraps a user's logic. */
export class UserLogic<V, W, S> extends KeyedLogic<V, W, S> {
  readonly #logic: StatefulLogic<V, W, S>;
  readonly #step: UserStep;
  #at = NaN; // the last time of its `notifyAt`, and how far ahead the run's time was at first
  #ahead = 0;
  readonly #ends: boolean; // whether it has `isDone`

  constructor(logic: StatefulLogic<V, W, S>, step: UserStep) {
    super(logic.notifyAt !== undefined);
    this.#logic = logic;
    this.#step = step;
    this.#ends = logic.isDone !== undefined;
  }

  override onItem(value: V, emit: Emit<W>): void {
    // Inline: in a usual step, the call takes an eighth of the time of an item.
    const step = this.#step;
    const copying = emit === step.emit ? step.emitCopy : step.copying(emit);
    return this.#logic.onItem(value, copying as Emit<W>);
  }

  override onNotify(emit: Emit<W>): void {
    return this.#logic.onNotify?.(this.#step.copying(emit));
  }

  override onEnd(emit: Emit<W>): void {
    return this.#logic.onEnd?.(this.#step.copying(emit));
  }

  override get handlesEnd(): boolean {
    return this.#logic.onEnd !== undefined;
  }

  override onStop(emit: Emit<W>): void {
    return this.#logic.onStop?.(this.#step.copying(emit));
  }

  override get handlesStop(): boolean {
    return this.#logic.onStop !== undefined;
  }

  override notifyAt(): Date | null {
    const at = this.#logic.notifyAt?.() ?? null;
    if (!(at instanceof Date)) return at; // null, or what the engine must refuse
    const ms = at.getTime();
    if (ms !== this.#at) {
      this.#at = ms;
      this.#ahead = this.#step.ahead();
    }
    return this.#ahead === 0 ? at : new Date(ms + this.#ahead);
  }

  override isDone(): boolean {
    return this.#ends && this.#logic.isDone!();
  }

  override snapshot(): S {
    return this.#logic.snapshot();
  }
}

/** Returns whether it is a logic of ours, from this copy of the module or another. */
function isKeyedLogic<V, W, S>(built: unknown): built is KeyedLogic<V, W, S> {
  return (built as Partial<KeyedLogic>)[LOGIC_BRAND] === true;
}

/**
 * Makes the logic of a key from what the step's `build` returned. A user's logic is wrapped.
 *
 * @throws {TypeError} If it is not a logic.
 */
export function makeLogic<V, W, S>(
  built: unknown,
  key: string,
  step: UserStep,
): KeyedLogic<V, W, S> {
  if (typeof (built as StatefulLogic<V, W, S> | null | undefined)?.onItem !== "function") {
    badResult("build", "an object with onItem and snapshot", built);
  }
  const logic = isKeyedLogic<V, W, S>(built)
    ? built
    : new UserLogic(built as StatefulLogic<V, W, S>, step);
  logic.key = key;
  return logic;
}
