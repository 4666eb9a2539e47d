import type { InputConfig, InputReader, Place, Positions } from "../../../src/graph/contracts.ts";

/** An input that a test feeds by hand, and that records the engine's calls. */
export class HandInput<T> implements InputConfig<T> {
  /** The engine's calls: `open`, `next`, `ready`, `close`. */
  readonly calls: string[] = [];
  /** The place at which it was opened. */
  place: Place | null = null;
  /** What `next` throws, once set. */
  thrown: { error: unknown } | null = null;
  readonly #batches: (T[] | null)[] = [];
  #wake: { resolve: () => void; reject: (error: unknown) => void } | null = null;

  /** Hands out items as one batch. */
  push(...items: T[]): void {
    this.#batches.push(items);
    this.#wake?.resolve();
  }

  /** Ends the input, after all that was pushed. */
  end(): void {
    this.#batches.push(null);
    this.#wake?.resolve();
  }

  /** Rejects the `ready` that is pending. */
  rejectReady(error: unknown): void {
    if (this.#wake === null) throw new Error("nothing waits for this input");
    this.#wake.reject(error);
  }

  /** Has `next` throw. */
  throwNext(error: unknown): void {
    this.thrown = { error };
    this.#wake?.resolve();
  }

  /** Whether all that was pushed has been read, and the engine waits for more. */
  get waiting(): boolean {
    return this.#batches.length === 0 && this.#wake !== null;
  }

  open(at: Place, _: Positions): Promise<InputReader<T>> {
    this.calls.push("open");
    this.place = at;
    return Promise.resolve({
      next: () => {
        this.calls.push("next");
        if (this.thrown !== null) throw this.thrown.error;
        const batch = this.#batches.shift();
        if (batch === null) this.#batches.unshift(null);
        return batch === undefined ? [] : batch;
      },
      ready: () => {
        this.calls.push("ready");
        if (this.#batches.length > 0 || this.thrown !== null) return Promise.resolve();
        return new Promise<void>((resolve, reject) => {
          const done = () => this.#wake = null;
          this.#wake = {
            resolve: () => {
              done();
              resolve();
            },
            reject: (error) => {
              done();
              reject(error);
            },
          };
        });
      },
      positions: () => new Map(),
      close: () => {
        this.calls.push("close");
        return Promise.resolve();
      },
    });
  }
}
