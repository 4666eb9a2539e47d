/** Inputs and outputs that continue exactly where they were. */
import type { InputConfig, OutputConfig, Place, Positions } from "../../../mod.ts";

/**
 * Numbers from 0 up to `count`, in `parts` partitions that the workers share. Number `n` is in
 * partition `n mod parts`. A worker fails after it has read `failAfter` numbers in a run.
 */
export function numbers(
  count: number,
  batchSize: number,
  { parts = 1, failAfter = Infinity, mayFail = () => true }: {
    parts?: number;
    failAfter?: number;
    /** The failure waits until this returns `true`. */
    mayFail?: () => boolean;
  } = {},
): InputConfig<number> {
  return {
    open({ workerIndex, workerCount }: Place, resume: Positions) {
      const mine = Array.from({ length: parts }, (_, part) => part)
        .filter((part) => part % workerCount === workerIndex);
      const next = new Map(mine.map((part) => [part, resume.get(`${part}`) as number ?? part]));
      let given = 0;
      let calls = 0;
      let source = "";
      const isOpen = (part: number) => next.get(part)! < count;
      return Promise.resolve({
        next: () => {
          if (given >= failAfter) {
            if (!mayFail()) return [];
            throw new Error("pulled the plug");
          }
          const open = mine.filter(isOpen);
          if (open.length === 0) return null;
          if (++calls % 3 === 0) return []; // epochs end in the pauses
          const part = open[calls % open.length];
          source = `${part}`;
          const batch: number[] = [];
          for (let n = next.get(part)!; n < count && batch.length < batchSize; n += parts) {
            batch.push(n);
            next.set(part, n + parts);
          }
          given += batch.length;
          return batch;
        },
        ready: () => new Promise((resolve) => setTimeout(resolve, 0)),
        sources: () => new Map(mine.filter(isOpen).map((part) => [`${part}`, "behind"])),
        source: () => source,
        positions: () => new Map([...next].map(([part, n]) => [`${part}`, n])),
        close: () => Promise.resolve(),
      });
    },
  };
}

/** An output that keeps committed items only, like files that are cut on resume. */
export class ExactOutput<T> implements OutputConfig<T> {
  readonly #byWorker = new Map<number, T[]>();

  /** What has been written, on all workers. */
  get items(): T[] {
    return [...this.#byWorker.values()].flat();
  }

  open({ workerIndex, workerCount }: Place, resume: Positions) {
    const lengthOf = (worker: number) => resume.get(`${worker}`) as number ?? 0;
    const mine = this.#byWorker.get(workerIndex) ?? [];
    mine.length = lengthOf(workerIndex);
    this.#byWorker.set(workerIndex, mine);
    const left = new Map<string, number>();
    if (workerIndex === 0) {
      for (const [worker, items] of this.#byWorker) {
        if (worker < workerCount) continue;
        items.length = lengthOf(worker);
        left.set(`${worker}`, items.length);
      }
    }
    return Promise.resolve({
      write: (batch: readonly T[]) => void mine.push(...batch),
      prepare: () => Promise.resolve(new Map([...left, [`${workerIndex}`, mine.length]])),
      close: () => Promise.resolve(),
    });
  }
}
