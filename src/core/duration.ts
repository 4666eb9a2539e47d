/**
 * Durations as users write them.
 *
 * @module
 */

import { didYouMean } from "./closest_name.ts";
import { preview } from "./preview.ts";

/**
 * A length of time: `{ minutes: 5 }` (any `Temporal.DurationLike`), or milliseconds as a number.
 */
export type Duration = number | Temporal.DurationLike;

/**
 * Returns a duration in milliseconds.
 *
 * @param duration What the user passed.
 * @param what What it is for, as the error names it, such as `epoch interval`.
 * @throws {RangeError} If it is missing, negative or not finite, or if it has years, months or
 *   weeks. Their length depends on the calendar.
 */
export function toMilliseconds(duration: Duration, what: string): number {
  if (duration === undefined) {
    throw new RangeError(
      `${what} must be milliseconds or a duration such as { minutes: 5 }: it is missing`,
    );
  }
  const ms = typeof duration === "number" ? duration : fromTemporal(duration, what);
  if (!Number.isFinite(ms) || ms < 0) {
    throw new RangeError(`${what} must be zero or more and finite; got ${ms} ms`);
  }
  return ms;
}

const DURATION_UNITS = [
  "days",
  "hours",
  "minutes",
  "seconds",
  "milliseconds",
  "microseconds",
  "nanoseconds",
];

/** Names that Temporal knows, but whose length depends on the calendar. */
const CALENDAR_UNITS = ["years", "months", "weeks"];

function fromTemporal(duration: Temporal.DurationLike, what: string): number {
  if (typeof duration === "object" && duration !== null) requireUnits(duration, what);
  try {
    return Temporal.Duration.from(duration).total("milliseconds");
  } catch (cause) {
    throw new RangeError(
      `${what} must be milliseconds or a duration such as { minutes: 5 }: ` +
        `days and shorter units, whole numbers of them; got ${preview(duration)}`,
      { cause },
    );
  }
}

/** Refuses a mistyped unit. Temporal ignores it silently if another unit is right. */
function requireUnits(duration: Temporal.DurationLike, what: string): void {
  const known = [...DURATION_UNITS, ...CALENDAR_UNITS];
  const unknown = Object.keys(duration).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new RangeError(
    `${what} must be milliseconds or a duration such as { minutes: 5 }: it has no unit "${unknown}"; ` +
      `the units are: ${DURATION_UNITS.join(", ")}${didYouMean(unknown, DURATION_UNITS)}`,
  );
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Returns the milliseconds in text such as `500ms`, `10s`, `1.5m` or `1h`, as command lines have
 * it.
 *
 * @throws {RangeError} If the text is not a number with one of those units.
 */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) {
    throw new RangeError(`${what} must look like 500ms, 10s, 5m or 1h; got "${text}"`);
  }
  return toMilliseconds(Number(match[1]) * UNITS[match[2]], what);
}
