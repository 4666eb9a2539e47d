/**
 * Repeats requests of transactions until the broker answers, or the caller's patience is over.
 *
 * All of them may be repeated. A broker that has done what it was asked for answers the same again.
 *
 * @module
 */
import type { Backoff } from "../client/backoff.ts";
import { errorKind, isFinalForWrites } from "../client/errors.ts";

/**
 * Does some work, and repeats it after errors that may pass. `patienceMs` is how long the broker
 * may be away, in milliseconds, if not as long as usual.
 */
export type Persist = <T>(work: () => Promise<T>, patienceMs?: number) => Promise<T>;

/** What repeating needs of a connection. */
export interface RepeatedConnection {
  /** Whether all waiting has ended. */
  readonly isEnded: boolean;
  drop(): void;
  backoff(): Pick<Backoff, "answerTo" | "over" | "pause" | "giveUp">;
}

/** How long a coordinator may work on the transaction before, in milliseconds. */
const BUSY_PATIENCE_MS = 120_000;

/** The pause before it is asked again, in milliseconds. */
const BUSY_MS = 10;

/**
 * Does `work`, and repeats it after an error as long as the broker may come back. It ends early if
 * the connection's signal ends all waiting.
 *
 * @param patienceMs How long the broker may be away, in milliseconds; `Infinity`: without a limit.
 * @throws The last error; the first one if another attempt is useless.
 */
export async function persist<T>(
  connection: RepeatedConnection,
  patienceMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const backoff = connection.backoff();
  const start = performance.now();
  const deadline = start + patienceMs;
  let busySince: number | null = null;
  for (;;) {
    try {
      const done = await backoff.answerTo(work());
      backoff.over();
      return done;
    } catch (error) {
      // A broker that is busy with the last transaction is in reach, and answers.
      const isBusy = errorKind(error) === "transactionPending";
      busySince = isBusy ? busySince ?? performance.now() : null;
      // A patience without a limit is for brokers that are away.
      const busyUntil = patienceMs === Infinity
        ? (busySince ?? 0) + BUSY_PATIENCE_MS
        : start + Math.max(patienceMs, BUSY_PATIENCE_MS);
      const end = isBusy ? busyUntil : deadline;
      const isOver = performance.now() >= end || connection.isEnded;
      if (isFinalForWrites(error) || isOver) {
        backoff.giveUp();
        throw error;
      }
      if (isBusy) {
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
        continue;
      }
      connection.drop();
      await backoff.pause(error, deadline);
    }
  }
}
