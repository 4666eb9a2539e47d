/**
 * Points in time as users give them.
 *
 * @module
 */
import { preview } from "../core/preview.ts";

/** A point in time: a date, milliseconds since the Unix epoch, or an instant. */
export type InstantLike = Date | number | Temporal.Instant;

/** What `Date` can say: 100 million days on either side of the Unix epoch, in milliseconds. */
export const FARTHEST_MS = 8.64e15;

/**
 * The date at `ms` since the Unix epoch, or the first or last one where that is farther than dates
 * go.
 */
export function nearestDate(ms: number): Date {
  return new Date(Math.max(-FARTHEST_MS, Math.min(ms, FARTHEST_MS)));
}

/**
 * Milliseconds since the Unix epoch. What an instant has beyond a millisecond is cut off.
 *
 * @param got What the user gave.
 * @param what What gave it, for the error, such as `getTime must give`.
 * @throws {TypeError} If it is no point in time that a date can hold.
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
