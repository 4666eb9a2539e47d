/**
 * Attempts at the same time, and work with a time limit: how a client waits for brokers, any of
 * which may be silent.
 *
 * @module
 */

/**
 * Tries candidates until one succeeds. Each attempt begins when the one before it fails, or has
 * taken `staggerMs` milliseconds: a candidate that is silent costs no more than that. Results of
 * the other attempts are ignored.
 *
 * @throws What `choose` returns of the errors, once every candidate has failed.
 */
export function firstOf<C, R>(
  candidates: readonly C[],
  attempt: (candidate: C) => Promise<R>,
  { staggerMs, choose }: {
    readonly staggerMs: number;
    readonly choose: (errors: readonly unknown[]) => unknown;
  },
): Promise<R> {
  return new Promise((resolve, reject) => {
    const errors: unknown[] = [];
    let begun = 0;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (settle: () => void) => {
      isOver = true;
      clearTimeout(timer);
      settle();
    };
    const failed = (error: unknown) => {
      errors.push(error);
      if (isOver) return;
      if (errors.length === candidates.length) end(() => reject(choose(errors)));
      else begin();
    };
    const begin = () => {
      clearTimeout(timer);
      if (isOver || begun === candidates.length) return;
      attempt(candidates[begun++]).then((result) => end(() => resolve(result)), failed);
      if (begun < candidates.length) timer = setTimeout(begin, staggerMs);
    };
    begin();
  });
}

/**
 * Waits for `work`, but no longer than `ms` milliseconds, and not once `signal` is aborted. What
 * comes of the work after that is ignored.
 *
 * @throws What `work` rejects with, or what `cut` returns where it was not waited for any longer.
 */
export function limited<R>(
  work: Promise<R>,
  { ms, signal, cut }: {
    readonly ms: number;
    readonly signal: AbortSignal;
    readonly cut: () => unknown;
  },
): Promise<R> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    };
    const stop = () => {
      end();
      reject(cut());
    };
    const timer = setTimeout(stop, ms);
    signal.addEventListener("abort", stop);
    work.finally(end).then(resolve, reject);
    if (signal.aborted) stop();
  });
}
