/**
 * Points in time, in the forms that users may give.
 *
 * @module
 */
import { preview } from "../core/preview.ts";

/** A point in time: a date, milliseconds since the Unix epoch, or an instant. */
export type InstantLike = Date | number | Temporal.Instant;

/** The limits of `Date`: 100 million days on either side of the Unix epoch, in milliseconds. */
export const FARTHEST_MS = 8.64e15;

/**
 * Returns the date at `ms` since the Unix epoch, or the nearest one that a `Date` can hold.
 */
export function nearestDate(ms: number): Date {
  return new Date(Math.max(-FARTHEST_MS, Math.min(ms, FARTHEST_MS)));
}

/**
 * Converts to milliseconds since the Unix epoch. Fractions of a millisecond of an instant are cut
 * off.
 *
 * @param got The user's value.
 * @param what The beginning of the error, such as `getTime must return`.
 * @throws {TypeError} If it is not a point in time that a `Date` can hold.
 */
export function toEpochMilliseconds(got: unknown, what: string): number {
  const ms = typeof got === "number"
    ? got
    : got instanceof Date
    ? got.getTime()
    : (got as Temporal.Instant | null | undefined)?.epochMilliseconds;
  if (typeof ms === "number" && ms >= -FARTHEST_MS && ms <= FARTHEST_MS) return ms;
  const isTooFar = typeof ms === "number" && Number.isFinite(ms);
  throw new TypeError(
    `${what} a valid Date, milliseconds since the Unix epoch or a Temporal.Instant; got ` +
      preview(got) + (isTooFar ? ", which is farther than dates go, 8.64e15 ms" : ""),
  );
}
