/**
 * Clocks: how a window step knows the time of its items.
 *
 * @module
 */
import { type Duration, toMilliseconds } from "../core/duration.ts";
import { requireOptions } from "../core/options.ts";
import { preview } from "../core/preview.ts";
import { type InstantLike, toEpochMilliseconds } from "./instants.ts";

/**
 * Knows the time of items, and the watermark: how far time has advanced for a key, or for a step.
 * Items older than the watermark may be late.
 *
 * @typeParam V The values whose time the clock knows.
 */
export interface WindowClock<in V> {
  /**
   * `system`: an item's time is when it arrives at the step, and so is the watermark. `event`: an
   * item's time is `timeOf(value)`. The watermark is the largest time so far of the key, and of the
   * source that is least far, less `waitMs`. While no input has anything to read, it follows system
   * time. It never goes back.
   */
  readonly kind: "system" | "event";
  /**
   * Returns the time of a value, in milliseconds since the Unix epoch; a `system` clock is not
   * asked. A property, not a method: methods are checked bivariantly, so TypeScript would accept a
   * clock that cannot read every side's values.
   */
  readonly timeOf: (value: V) => number;
  /** How long to wait for items that are out of order within their source, in milliseconds. */
  readonly waitMs: number;
  /**
   * What has a watermark of its own: each key, or only the step, which all keys share. With `key`,
   * the watermark of a key is not beyond that of the step.
   */
  readonly watermark: "key" | "step";
  /**
   * How far a source may be read ahead of the one that is least far, in milliseconds of event time.
   * `null`: as far as a window is long, and the wait.
   */
  readonly driftMs: number | null;
  /**
   * How long to keep the watermark of a key without open windows, in milliseconds of the system's
   * time.
   */
  readonly retentionMs: number;
}

/**
 * System time: an item's time is when it arrives at the step, so no item is ever late. The time
 * never goes back: if the machine's clock is set back, it continues a little slower until that
 * clock has caught up. A stop leaves windows open. The next run closes those that are due at its
 * start.
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
 * const days = new TumblingWindowConfig({ length: { days: 1 } });
 * const flow = new Dataflow("clicks")
 *   .input("clicks", new TestingInputConfig(["home", "home"]))
 *   .keyOn((page) => page)
 *   .countWindow("per-day", new SystemClockConfig(), days)
 *   .capture(new TestingOutputConfig(counts));
 * await run(flow);
 * assertEquals(counts, [["home", 2]]); // unless it is midnight
 * ```
 */
export class SystemClockConfig implements WindowClock<unknown> {
  readonly kind = "system";
  readonly waitMs = 0;
  readonly watermark = "step";
  readonly driftMs = null;
  readonly retentionMs = 0;

  /** Makes the clock. */
  constructor() {
    Object.freeze(this);
  }

  /** Throws: a system clock does not know the time of values. */
  timeOf(): number {
    throw new TypeError("a system clock does not know the time of a value");
  }
}

/** Options of {@linkcode EventClockConfig}. */
export interface EventClockOptions<in V> {
  /**
   * Returns the time of a value, without its key. A number is milliseconds since the Unix epoch.
   * It may be called more than once for a value, and must return the same time.
   */
  readonly getTime: (value: V) => InstantLike;
  /**
   * How long to wait for items that are out of order within their source, such as a partition. A
   * longer wait makes fewer items late, and closes windows later. Which source is read first does
   * not matter.
   */
  readonly wait: Duration;
  /**
   * What has a watermark of its own.
   *
   * - `"key"`: each key. A key's windows close as its own values move on, so a device whose clock
   *   is ahead makes nothing of others late. A key without new values keeps its windows open until
   *   no input has anything to read.
   * - `"step"`: only the step, as in Flink and Beam. Windows of all keys close together, so a key
   *   without new values holds nothing back. One value from the future may make all that follow
   *   late.
   *
   * By default `"key"`, as it loses less.
   */
  readonly watermark?: "key" | "step";
  /**
   * How far one source, such as a partition, may be read ahead of the one that is least far, in
   * event time. It bounds how many windows are open while a backlog is read. At least 256 items of
   * a source are read at once, however far apart their times are. By default, as long as a window
   * and `wait` together. More lets sources be read in larger pieces; nothing is late either way.
   */
  readonly drift?: Duration;
  /**
   * How long to remember a key without open windows, in system time, so that its late items
   * are recognised. After that, items of unknown keys are late if they are older than the
   * watermarks that were forgotten. One day by default.
   */
  readonly retention?: Duration;
}

/**
 * Event time: values carry their time. The watermark of a key is the largest time of its values so
 * far, less `wait`. That of the step is the largest time of the source that is least far, less
 * `wait`. A source is a partition, a file, or a worker's share of another input. A window closes
 * once both have passed its end. While no input has anything to read, they follow system time, so
 * that windows of quiet keys close too.
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
 * const minutes = new TumblingWindowConfig({ length: { minutes: 1 } });
 * const flow = new Dataflow("readings")
 *   .input("in", new TestingInputConfig([
 *     { at: "2026-01-01T00:00:10Z", value: 7 },
 *     { at: "2026-01-01T00:00:50Z", value: 9 },
 *     { at: "2026-01-01T00:01:05Z", value: 3 },
 *   ]))
 *   .keyOn(() => "sensor")
 *   .maxWindow("max", clock, minutes, (a, b) => a.value - b.value)
 *   .mapValue(({ value }) => value)
 *   .capture(new TestingOutputConfig(out));
 * await run(flow);
 * assertEquals(out, [["sensor", 9], ["sensor", 3]]);
 * ```
 */
export class EventClockConfig<V> implements WindowClock<V> {
  readonly kind = "event";
  readonly waitMs: number;
  readonly watermark: "key" | "step";
  readonly driftMs: number | null;
  readonly retentionMs: number;
  readonly #getTime: (value: V) => InstantLike;

  /**
   * Makes the clock.
   *
   * @throws {TypeError} If `getTime` is not a function, or an option is unknown.
   * @throws {RangeError} If a duration is negative or not finite, or `wait` is missing.
   */
  constructor(options: EventClockOptions<V>) {
    requireOptions("EventClockConfig", options, [
      "getTime",
      "wait",
      "watermark",
      "drift",
      "retention",
    ]);
    const { getTime, wait, watermark = "key", drift, retention = { days: 1 } } = options;
    if (typeof getTime !== "function") {
      throw new TypeError(`EventClockConfig needs a function as getTime; got ${preview(getTime)}`);
    }
    if (watermark !== "key" && watermark !== "step") {
      throw new TypeError(
        `EventClockConfig's watermark must be "key" or "step"; got ${preview(watermark)}`,
      );
    }
    this.#getTime = getTime;
    this.watermark = watermark;
    this.waitMs = toMilliseconds(wait, "EventClockConfig's wait");
    this.driftMs = drift === undefined ? null : toMilliseconds(drift, "EventClockConfig's drift");
    this.retentionMs = toMilliseconds(retention, "EventClockConfig's retention");
    Object.freeze(this);
  }

  /**
   * Returns the time of a value, in milliseconds since the Unix epoch.
   *
   * @throws {TypeError} If `getTime` does not return a time.
   */
  timeOf(value: V): number {
    return toEpochMilliseconds(this.#getTime(value), "getTime must return");
  }
}
