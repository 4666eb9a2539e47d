/**
 * Windowers: which windows an item belongs to.
 *
 * @module
 */
import { type Duration, toMilliseconds } from "../core/duration.ts";
import { requireOptions } from "../core/options.ts";
import { type InstantLike, toEpochMilliseconds } from "./instants.ts";

/**
 * A span of time from `openAt` up to, but not including, `closeAt`, in milliseconds since the Unix
 * epoch.
 */
export interface WindowSpan {
  /** Where it begins. */
  readonly openAt: number;
  /** Where it ends. */
  readonly closeAt: number;
}

/**
 * Cuts time into windows. A windower has no state: the engine keeps the open windows.
 *
 * @example Days in Berlin, of 23 to 25 hours
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Windower } from "@millrace/millrace";
 *
 * const berlinDays: Windower = {
 *   overlap: "never",
 *   windowsAt(time) {
 *     const day = Temporal.Instant.fromEpochMilliseconds(time)
 *       .toZonedDateTimeISO("Europe/Berlin").startOfDay();
 *     const next = day.add({ days: 1 });
 *     return [{ openAt: day.epochMilliseconds, closeAt: next.epochMilliseconds }];
 *   },
 * };
 * const [day] = berlinDays.windowsAt(Date.parse("2026-03-29T12:00:00Z"));
 * assertEquals((day.closeAt - day.openAt) / 3_600_000, 23);
 * ```
 */
export interface Windower {
  /**
   * Whether two windows of a key may cover the same time. `never`: an item is in one window. `may`:
   * it is in all windows that cover it. `merge`: windows that overlap become one, as sessions do.
   */
  readonly overlap: "never" | "may" | "merge";
  /**
   * Returns the windows that cover `time`, in milliseconds since the Unix epoch, sorted by their
   * end. It must return the same windows for the same time.
   */
  windowsAt(time: number): readonly WindowSpan[];
}

/** Options of {@linkcode TumblingWindowConfig}. */
export interface TumblingWindowOptions {
  /** The length of a window: whole milliseconds, at least one. */
  readonly length: Duration;
  /** Where some window begins. The default is the Unix epoch, so all machines cut alike. */
  readonly alignTo?: InstantLike;
}

/**
 * Windows of one length that follow each other without gaps.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { TumblingWindowConfig } from "@millrace/millrace";
 *
 * const minutes = new TumblingWindowConfig({ length: { minutes: 1 } });
 * assertEquals(minutes.windowsAt(90_000), [{ openAt: 60_000, closeAt: 120_000 }]);
 * assertEquals(minutes.windowsAt(-1), [{ openAt: -60_000, closeAt: 0 }]);
 * ```
 */
export class TumblingWindowConfig implements Windower {
  readonly overlap = "never";
  readonly #length: number;
  readonly #first: number;

  /**
   * Makes the windower.
   *
   * @throws {RangeError} If the length is not a whole number of milliseconds above zero, or is
   * longer than 4,000,000 days.
   * @throws {TypeError} If `alignTo` is not a point in time.
   */
  constructor(options: TumblingWindowOptions) {
    requireOptions("TumblingWindowConfig", options, ["length", "alignTo"]);
    const { length, alignTo = 0 } = options;
    this.#length = positive(length, "TumblingWindowConfig's length");
    this.#first = firstStart(
      this.#length,
      toEpochMilliseconds(alignTo, "TumblingWindowConfig's alignTo must be"),
    );
    Object.freeze(this);
  }

  /** Returns the window that covers `time`, in milliseconds since the Unix epoch. */
  windowsAt(time: number): WindowSpan[] {
    const openAt = startAt(time, this.#length, this.#first);
    return [{ openAt, closeAt: openAt + this.#length }];
  }
}

/** Options of {@linkcode SlidingWindowConfig}. */
export interface SlidingWindowOptions {
  /** The length of a window: whole milliseconds, at least one. */
  readonly length: Duration;
  /** From the beginning of one window to that of the next: whole milliseconds, at most `length`. */
  readonly offset: Duration;
  /** Where some window begins. The default is the Unix epoch, so all machines cut alike. */
  readonly alignTo?: InstantLike;
}

/**
 * Windows of one length that begin `offset` apart. Each item is in about `length / offset` of them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SlidingWindowConfig } from "@millrace/millrace";
 *
 * const windower = new SlidingWindowConfig({ length: 10, offset: 5 });
 * assertEquals(windower.windowsAt(12), [{ openAt: 5, closeAt: 15 }, { openAt: 10, closeAt: 20 }]);
 * ```
 */
export class SlidingWindowConfig implements Windower {
  readonly overlap = "may";
  readonly #length: number;
  readonly #offset: number;
  readonly #first: number;

  /**
   * Makes the windower.
   *
   * @throws {RangeError} If a duration is not a whole number of milliseconds above zero, or exceeds
   * 4,000,000 days. Also if the offset exceeds the length, as some times would be in no window.
   * Also if the length exceeds 100,000 offsets, as each item is in that many windows.
   * @throws {TypeError} If `alignTo` is not a point in time.
   */
  constructor(options: SlidingWindowOptions) {
    requireOptions("SlidingWindowConfig", options, ["length", "offset", "alignTo"]);
    const { length, offset, alignTo = 0 } = options;
    this.#length = positive(length, "SlidingWindowConfig's length");
    this.#offset = positive(offset, "SlidingWindowConfig's offset");
    if (this.#offset > this.#length) {
      throw new RangeError(
        `SlidingWindowConfig's offset must not be longer than its length, or some items would be in ` +
          `no window; got an offset of ${this.#offset} ms and a length of ${this.#length} ms`,
      );
    }
    if (this.#length / this.#offset > MOST_WINDOWS) {
      throw new RangeError(
        `SlidingWindowConfig's length must be at most ${MOST_WINDOWS} times its offset, as each item is in ` +
          `that many windows; got a length of ${this.#length} ms and an offset of ${this.#offset} ms`,
      );
    }
    this.#first = firstStart(
      this.#offset,
      toEpochMilliseconds(alignTo, "SlidingWindowConfig's alignTo must be"),
    );
    Object.freeze(this);
  }

  /** Returns the windows that cover `time`, in milliseconds since the Unix epoch. */
  windowsAt(time: number): WindowSpan[] {
    const last = startAt(time, this.#offset, this.#first);
    const count = Math.ceil((this.#length - (Math.floor(time) - last)) / this.#offset);
    const spans = new Array<WindowSpan>(count);
    let openAt = last - (count - 1) * this.#offset;
    for (let i = 0; i < count; i++, openAt += this.#offset) {
      spans[i] = { openAt, closeAt: openAt + this.#length };
    }
    return spans;
  }
}

/** The most windows that an item may be in. */
const MOST_WINDOWS = 100_000;

/** 4,000,000 days: up to this length, sums with times of dates are exact. */
const LONGEST_MS = 4e6 * 86_400_000;

/** Options of {@linkcode SessionWindowConfig}. */
export interface SessionWindowOptions {
  /** A session ends after this time without an item: whole milliseconds, at least one. */
  readonly gap: Duration;
}

/**
 * Windows that begin at an item and end `gap` after their last item. Two sessions merge when an
 * item joins them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SessionWindowConfig } from "@millrace/millrace";
 *
 * const windower = new SessionWindowConfig({ gap: { minutes: 30 } });
 * assertEquals(windower.windowsAt(0), [{ openAt: 0, closeAt: 1_800_000 }]);
 * ```
 */
export class SessionWindowConfig implements Windower {
  readonly overlap = "merge";
  readonly #gap: number;

  /**
   * Makes the windower.
   *
   * @throws {RangeError} If the gap is not a whole number of milliseconds above zero, or is longer
   * than 4,000,000 days.
   */
  constructor(options: SessionWindowOptions) {
    requireOptions("SessionWindowConfig", options, ["gap"]);
    const { gap } = options;
    this.#gap = positive(gap, "SessionWindowConfig's gap");
    Object.freeze(this);
  }

  /** Returns the session of a single item at `time`, in milliseconds since the Unix epoch. */
  windowsAt(time: number): WindowSpan[] {
    return [{ openAt: time, closeAt: time + this.#gap }];
  }
}

/**
 * Returns the first, from 1970 on, of the windows that begin `every` milliseconds apart and at
 * `alignTo`.
 */
function firstStart(every: number, alignTo: number): number {
  const rest = Math.floor(alignTo) % every;
  return rest < 0 ? rest + every : rest;
}

/**
 * Returns the beginning of the last window that begins at or before `time`. It works in whole
 * milliseconds, as windows do: fractions would be rounded.
 */
function startAt(time: number, every: number, first: number): number {
  return first + Math.floor((Math.floor(time) - first) / every) * every;
}

function positive(duration: Duration, what: string): number {
  const ms = toMilliseconds(duration, what);
  if (ms >= 1 && Number.isInteger(ms) && ms <= LONGEST_MS) return ms;
  throw new RangeError(
    `${what} must be a whole number of milliseconds above zero, and no longer than 4,000,000 days; ` +
      `got ${ms} ms`,
  );
}
