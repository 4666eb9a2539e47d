/**
 * Checks on the options of stateful steps, before anything runs.
 *
 * @module
 */
import { type Duration, toMilliseconds } from "../core/duration.ts";
import { nearestDate } from "../windows/instants.ts";

/**
 * Returns a length of time in milliseconds, which must not be zero. `what` names it, such as
 * `ttl of join "paid"`.
 */
export function positiveMilliseconds(duration: Duration, what: string): number {
  const ms = toMilliseconds(duration, what);
  if (ms === 0) throw new RangeError(`${what} must be more than zero; got 0 ms`);
  return ms;
}

/** Returns a `Date` that is not before `ms`, so that no notification comes too early. */
export function dateAt(ms: number): Date {
  return nearestDate(Math.ceil(ms));
}
