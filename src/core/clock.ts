/**
 * The engine's view of time, which tests can replace.
 *
 * @module
 */

/**
 * Returns the time and wakes sleepers. The engine needs nothing else about time.
 *
 * @example A clock that runs ten times as fast as the machine's
 * ```ts
 * import {
 *   type Clock,
 *   Dataflow,
 *   run,
 *   systemClock,
 *   TestingInputConfig,
 *   TestingOutputConfig,
 * } from "@millrace/millrace";
 *
 * const begun = Date.now();
 * const fast: Clock = {
 *   now: () => begun + 10 * (Date.now() - begun),
 *   wakeAt: (at, wake) => systemClock.wakeAt(begun + (at - begun) / 10, wake),
 * };
 * const flow = new Dataflow("fast").input("in", new TestingInputConfig([1]))
 *   .capture(new TestingOutputConfig<number>([]));
 * await run(flow, { clock: fast });
 * ```
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. Somebody may set this time, also back. */
  now(): number;
  /**
   * Calls `wake` once, at or soon after `at` (milliseconds since the Unix epoch). If the clock is
   * set back meanwhile, it wakes after the time that was left.
   *
   * @returns A function that cancels the call.
   */
  wakeAt(at: number, wake: () => void): () => void;
  /**
   * Milliseconds since some moment, on a clock that nobody sets. The engine measures durations with
   * it. Without it, the engine uses `now`.
   */
  elapsed?(): number;
}

/** How often a sleeper checks whether the clock was set forward, in milliseconds. */
const LOOK_MS = 1_000;

/** The machine's clock. */
export const systemClock: Clock = Object.freeze({
  now: (): number => Date.now(),
  elapsed: (): number => performance.now(),
  wakeAt(at: number, wake: () => void): () => void {
    const due = performance.now() + at - Date.now();
    let timer: ReturnType<typeof setTimeout>;
    const sleep = (): void => {
      const left = Math.min(due - performance.now(), at - Date.now());
      timer = setTimeout(left > LOOK_MS ? sleep : wake, Math.min(Math.max(left, 0), LOOK_MS));
    };
    sleep();
    return () => clearTimeout(timer);
  },
});

/** Milliseconds since some moment, on a clock that nobody sets. */
export function elapsedOf(clock: Clock): number {
  return clock.elapsed?.() ?? clock.now();
}

/**
 * Calls `wake` once, when `ms` milliseconds have passed and not before, whatever the clock is set
 * to.
 *
 * @returns A function that cancels the call.
 */
export function wakeAfter(clock: Clock, ms: number, wake: () => void): () => void {
  const due = elapsedOf(clock) + ms;
  let cancel = (): void => {};
  const sleep = (): void => {
    cancel = clock.wakeAt(clock.now() + due - elapsedOf(clock), () => {
      if (elapsedOf(clock) >= due) wake();
      else sleep(); // sleeps may end early
    });
  };
  sleep();
  return () => cancel();
}

/**
 * Resolves when `ms` milliseconds have passed, as {@linkcode wakeAfter} counts them, or once the
 * signal aborts. Returns whether it was for the whole time.
 */
export function waitFor(clock: Clock, ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false);
    const end = (whole: boolean) => {
      cancel();
      signal?.removeEventListener("abort", cut);
      resolve(whole);
    };
    const cut = () => end(false);
    const cancel = wakeAfter(clock, ms, () => end(true));
    signal?.addEventListener("abort", cut);
  });
}
