/**
 * Parallel attempts, and work with a time limit: how a client waits for brokers, any of which may
 * be silent.
 *
 * @module
 */

/**
 * Tries candidates until one succeeds. An attempt begins when the one before it fails, or has taken
 * `staggerMs` milliseconds. So a silent candidate costs no more than that. The results of the other
 * attempts are ignored.
 *
 * @throws What `choose` returns for the errors, once every candidate has failed.
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
 * Waits for `work`, up to `ms` milliseconds (`Infinity`: without a limit), or until `signal` is
 * aborted. Later results of the work are ignored.
 *
 * @throws What `work` rejects with, or what `cut` returns if the wait ended first.
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
    const timer = ms === Infinity ? undefined : setTimeout(stop, ms);
    signal.addEventListener("abort", stop);
    work.finally(end).then(resolve, reject);
    if (signal.aborted) stop();
  });
}
