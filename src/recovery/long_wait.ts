/**
 * Tells the user what is waited for while a store is opened, read or dropped.
 *
 * @module
 */
import { type Clock, systemClock, wakeAfter } from "../core/clock.ts";
import type { Log } from "../core/log.ts";

/** How long something may take before the log tells what is waited for, in milliseconds. */
const QUIET_MS = 1_000;

/** What may take long, and whom to tell. */
export interface LongWait {
  /** What is waited for, as a line of log. */
  readonly what: string;
  /** The store's name. */
  readonly store: string;
  /** Absent to tell nobody. */
  readonly log?: Log;
  readonly clock?: Clock;
}

/** Does `work`. If that takes more than a moment, the log tells once what is waited for. */
export async function tellLongWait<T>(
  { what, store, log, clock = systemClock }: LongWait,
  work: () => Promise<T>,
): Promise<T> {
  const cancel = wakeAfter(clock, QUIET_MS, () => log?.info(what, { store }));
  try {
    return await work();
  } finally {
    cancel();
  }
}
