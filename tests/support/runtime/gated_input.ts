import type { InputConfig, Place, Positions } from "../../../mod.ts";

/** Numbers of each worker, from zero. A worker only reads as far as the test allows. */
export class GatedInput implements InputConfig<number> {
  /** How far each worker may read. */
  readonly #allowed: number[];
  readonly #ended: boolean[];
  readonly #wake: (() => void)[];

  constructor(workers: number) {
    this.#allowed = new Array(workers).fill(0);
    this.#ended = new Array(workers).fill(false);
    this.#wake = new Array(workers).fill(() => {});
  }

  /** Lets a worker read some more. */
  allow(worker: number, items: number): void {
    this.#allowed[worker] += items;
    this.#wake[worker]();
  }

  /** Ends the input of a worker after what it may read. */
  end(worker: number): void {
    this.#ended[worker] = true;
    this.#wake[worker]();
  }

  /** Whether the input of a worker is to end. */
  hasEnded(worker: number): boolean {
    return this.#ended[worker];
  }

  open({ workerIndex: worker }: Place, resume: Positions) {
    let read = resume.get(`${worker}`) as number ?? 0;
    this.#allowed[worker] = Math.max(read, this.#allowed[worker]);
    return Promise.resolve({
      next: () => {
        if (read < this.#allowed[worker]) return [read++];
        return this.#ended[worker] ? null : [];
      },
      ready: () => new Promise<void>((resolve) => this.#wake[worker] = resolve),
      positions: () => new Map([[`${worker}`, read]]),
      forOutputs: () => read,
      close: () => Promise.resolve(),
    });
  }
}
