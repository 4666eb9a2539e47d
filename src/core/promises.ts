/**
 * Small helpers around promises.
 *
 * @module
 */

/** Whether a value is a promise, or anything else that can be awaited. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/**
 * Waits for `work`, but no longer than `ms`. Returns whether it was done in time.
 *
 * @throws What `work` rejects with, if it does in time; later rejections are ignored.
 */
export async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sleeps, unless or until the signal is aborted. Of a time that is over, nothing is left. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms)); // Deno warns of a negative time
    signal.addEventListener("abort", done, { once: true });
  });
}
