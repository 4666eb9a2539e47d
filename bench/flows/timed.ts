/**
 * Shared by the flows of the benches on worker processes: when the first item came, and the last
 * went.
 */
import type { InputConfig, OutputConfig } from "millrace";

let started = Infinity;

/** Returns an input of the batches that `make` returns, until `null`. It notes when it began. */
export function timedInput<T>(
  make: (workerIndex: number, workerCount: number) => () => T[] | null,
): InputConfig<T> {
  return {
    open: ({ workerIndex, workerCount }) => {
      const next = make(workerIndex, workerCount);
      return Promise.resolve({
        next: () => {
          if (started === Infinity) started = Date.now();
          return next();
        },
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      });
    },
  };
}

/** Notes now as the start, for inputs that are not timed by themselves. */
export function begin(): void {
  if (started === Infinity) started = Date.now();
}

/** Returns an output that prints when the first item came, when the last went, and `facts`. */
export function timedOutput<T>(
  take: (batch: readonly T[]) => void,
  facts: () => Record<string, unknown>,
): OutputConfig<T> {
  let ended = 0;
  return {
    open: () =>
      Promise.resolve({
        write: (batch: readonly T[]) => take(batch),
        prepare: () => {
          ended = Date.now();
          return Promise.resolve(new Map());
        },
        close: () => {
          console.log(JSON.stringify({ started, ended, ...facts() }));
          return Promise.resolve();
        },
      }),
  };
}
