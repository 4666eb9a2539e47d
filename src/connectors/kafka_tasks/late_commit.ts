/**
 * Commits that take longer than brokers keep a transaction open.
 *
 * Such a transaction is aborted, and what it had is computed and written again, by the same process
 * or by others. That takes as long again, so epochs have to become smaller. A longer timeout does
 * not help: a transaction of a machine that has died holds up all readers until its timeout.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import { sizeUp } from "../../core/byte_sizes.ts";
import { LateCommitError } from "../../group/log.ts";

/** How often it is looked at how long a transaction has been open, in milliseconds. */
const LOOK_MS = 500;

/** What a commit is watched with. */
export interface WatchedCommit {
  /** For how long its transaction has been open, in milliseconds. */
  readonly openMs: () => number;
  /** How long it may be, in milliseconds. */
  readonly timeoutMs: number;
  /** What a broker is waited for with; `null` if it answers. Its transactions end later, then. */
  readonly waitingFor: () => string | null;
  /** How much the commit writes. */
  readonly bytes: number;
  readonly clock: Clock;
}

/**
 * Waits for a commit. A transaction that has been open for twice its time has been aborted, so
 * nothing is to be gained by writing the rest.
 *
 * @throws {LateCommitError} If it has.
 * @throws What the commit throws.
 */
export async function inTime(commit: Promise<void>, watched: WatchedCommit): Promise<void> {
  const late = Promise.withResolvers<never>();
  const { openMs, timeoutMs, waitingFor, clock } = watched;
  let cancel = () => {};
  const look = () => {
    cancel = wakeAfter(clock, LOOK_MS, () => {
      if (openMs() > 2 * timeoutMs && waitingFor() === null) late.reject(lateCommit(watched));
      else look();
    });
  };
  look();
  try {
    await Promise.race([commit, late.promise]);
  } finally {
    cancel();
    late.promise.catch(() => {}); // the commit was there before
    commit.catch(() => {}); // or comes to its end too late
  }
}

/** The error of a commit that has been open for too long. */
export function lateCommit(
  { openMs, timeoutMs, bytes }: WatchedCommit,
  cause?: unknown,
): LateCommitError {
  return new LateCommitError(
    `a commit of ${sizeUp(bytes)} was not over after ${seconds(openMs())} s, and brokers end a ` +
      `transaction after ${
        seconds(timeoutMs)
      } s. What it had is done again in smaller epochs. If ` +
      "that does not help: is the machine, or its link to the brokers, too slow for what changes in " +
      "one epoch? Keep less in each key, or use more machines or a faster link",
    cause === undefined ? {} : { cause },
  );
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
