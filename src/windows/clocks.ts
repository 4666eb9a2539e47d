/**
 * Where a window step gets the time of its items from.
 *
 * @module
 */
import { type Duration, toMilliseconds } from "../core/duration.ts";
import { requireOptions } from "../core/options.ts";
import { preview } from "../core/preview.ts";
import { type InstantLike, toEpochMilliseconds } from "./instants.ts";

/**
 * The time of items, and the watermark: how far time has come for a key, behind which an item is late.
 * Both are kept for each key by itself.
 *
 * @typeParam V The values whose time it knows.
 */
export interface WindowClock<in V> {
  /**
   * `system`: an item's time, and the watermark, is when the item gets to the step. `event`: an item's
   * time is `timeOf`; the watermark is the largest so far, less `waitMs`, and goes on with the system's
   * time while no input has anything to read. It never goes back.
   */
  readonly kind: "system" | "event";
  /**
   * The time of a value, in milliseconds since the Unix epoch; not asked of a `system` clock. A property,
   * and no method: of methods the compiler would take one that does not know all values.
   */
  readonly timeOf: (value: V) => number;
  /** How long to wait for items that are out of order, in milliseconds. */
  readonly waitMs: number;
  /**
   * For how long the watermark of a key without open windows is kept, in milliseconds of the system's
   * time.
   */
  readonly retentionMs: number;
}

/**
 * The time at which items get to the step: no item is ever late. The time never goes back. Where the
 * machine's clock is set back, it goes on from where it was, a little slower, until that has caught up. Windows that are open when the run is
 * stopped close at the start of the next one, if they are due by then.
 *
 * @example Clicks a second
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   Dataflow,
 *   run,
 *   SystemClockConfig,
 *   TestingInputConfig,
 *   TestingOutputConfig,
 *   TumblingWindowConfig,
 * } from "@millrace/millrace";
 *
 * const counts: [string, number][] = [];
 * const flow = new Dataflow("clicks")
 *   .input("clicks", new TestingInputConfig(["home", "home"]))
 *   .keyOn((page) => page)
 *   .countWindow("per-day", new SystemClockConfig(), new TumblingWindowConfig({ length: { days: 1 } }))
 *   .capture(new TestingOutputConfig(counts));
 * await run(flow);
 * assertEquals(counts, [["home", 2]]); // unless it is midnight
 * ```
 */
export class SystemClockConfig implements WindowClock<unknown> {
  readonly kind = "system";
  readonly waitMs = 0;
  readonly retentionMs = 0;

  /** Makes the clock. */
  constructor() {
    Object.freeze(this);
  }

  /** Not asked. */
  timeOf(): number {
    throw new TypeError("a system clock does not know the time of a value");
  }
}

/** What an {@linkcode EventClockConfig} is made of. */
export interface EventClockOptions<in V> {
  /** The time of a value, without its key. A number is milliseconds since the Unix epoch. */
  readonly getTime: (value: V) => InstantLike;
  /**
   * How long to wait for items that are out of order. The longer, the fewer are late, and the later
   * windows close.
   */
  readonly wait: Duration;
  /**
   * For how long a key that has no open window is remembered, so that its late items are known to be
   * late; of the system's time, one day by default. After that, items of keys that are not known are late
   * if they are older than what was forgotten.
   */
  readonly retention?: Duration;
}

/**
 * The time that values themselves say. The watermark of a key is the largest time of its values so far,
 * less `wait`; it goes on with the system's time while no input has anything to read, so that windows of
 * quiet keys close too.
 *
 * @example The largest value of each minute
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   Dataflow,
 *   EventClockConfig,
 *   run,
 *   TestingInputConfig,
 *   TestingOutputConfig,
 *   TumblingWindowConfig,
 * } from "@millrace/millrace";
 *
 * const clock = new EventClockConfig({
 *   getTime: (reading: { at: string; value: number }) => Temporal.Instant.from(reading.at),
 *   wait: { seconds: 10 },
 * });
 * const out: [string, number][] = [];
 * const flow = new Dataflow("readings")
 *   .input("in", new TestingInputConfig([
 *     { at: "2026-01-01T00:00:10Z", value: 7 },
 *     { at: "2026-01-01T00:00:50Z", value: 9 },
 *     { at: "2026-01-01T00:01:05Z", value: 3 },
 *   ]))
 *   .keyOn(() => "sensor")
 *   .maxWindow("max", clock, new TumblingWindowConfig({ length: { minutes: 1 } }), (a, b) => a.value - b.value)
 *   .mapValue(({ value }) => value)
 *   .capture(new TestingOutputConfig(out));
 * await run(flow);
 * assertEquals(out, [["sensor", 9], ["sensor", 3]]);
 * ```
 */
export class EventClockConfig<V> implements WindowClock<V> {
  readonly kind = "event";
  readonly waitMs: number;
  readonly retentionMs: number;
  readonly #getTime: (value: V) => InstantLike;

  /**
   * Makes the clock.
   *
   * @throws {TypeError} If `getTime` is no function, or there is an option of another name.
   * @throws {RangeError} If a duration is negative or none.
   */
  constructor(options: EventClockOptions<V>) {
    requireOptions("EventClockConfig", options, ["getTime", "wait", "retention"]);
    const { getTime, wait, retention = { days: 1 } } = options;
    if (typeof getTime !== "function") {
      throw new TypeError(`EventClockConfig needs a function as getTime; got ${preview(getTime)}`);
    }
    this.#getTime = getTime;
    this.waitMs = toMilliseconds(wait, "EventClockConfig's wait");
    this.retentionMs = toMilliseconds(retention, "EventClockConfig's retention");
    Object.freeze(this);
  }

  /**
   * The time of a value, in milliseconds since the Unix epoch.
   *
   * @throws {TypeError} If `getTime` gives no time.
   */
  timeOf(value: V): number {
    return toEpochMilliseconds(this.#getTime(value), "getTime must give");
  }
}
