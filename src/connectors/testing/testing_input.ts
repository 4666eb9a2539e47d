import { requireOptions } from "../../core/options.ts";
import type { Inferred } from "../../core/inferred.ts";
import { partitionOf, requireSameWorkers } from "../../graph/per_worker.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";

/** Options of {@linkcode TestingInputConfig}. */
export interface TestingInputOptions {
  /**
   * The most items in a batch: a positive integer. With 1, a test shows what depends on batches.
   *
   * @default {1024}
   */
  readonly batchSize?: number;
}

/**
 * Reads items from memory, for tests. Several workers share them evenly: item `i` goes to worker
 * `i mod workerCount`.
 *
 * @typeParam T The items.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
 *
 * const out: number[] = [];
 * const input = new TestingInputConfig([1, 2, 3], { batchSize: 1 });
 * await run(new Dataflow("copy").input("in", input).capture(new TestingOutputConfig(out)));
 * assertEquals(out, [1, 2, 3]);
 * ```
 */
export class TestingInputConfig<out T extends Inferred> implements InputConfig<T> {
  readonly #items: readonly T[];
  readonly #batchSize: number;

  /** Creates the config. `items` is read when the flow runs, so it may still grow until then. */
  constructor(items: readonly T[], options: TestingInputOptions = {}) {
    requireOptions("TestingInputConfig", options, ["batchSize"]);
    const { batchSize = 1024 } = options;
    if (!Array.isArray(items)) {
      throw new TypeError(
        `TestingInputConfig needs an array; got ${Deno.inspect(items, { depth: 0 })}`,
      );
    }
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError(`batchSize must be a positive integer; got ${batchSize}`);
    }
    this.#items = items;
    this.#batchSize = batchSize;
  }

  /** For the engine: reads this worker's share. */
  open({ workerIndex, workerCount }: Place, resume: Positions): Promise<InputReader<T>> {
    const share = workerCount === 1
      ? this.#items
      : this.#items.filter((_, i) => i % workerCount === workerIndex);
    requireSameWorkers(resume, workerCount);
    const partition = partitionOf(workerIndex, workerCount);
    const read = resume.get(partition) as number | undefined ?? 0;
    return Promise.resolve(new ArrayReader(share, partition, read, this.#batchSize));
  }
}

class ArrayReader<T> implements InputReader<T> {
  readonly #items: readonly T[];
  readonly #partition: string;
  readonly #batchSize: number;
  #read: number;

  constructor(items: readonly T[], partition: string, read: number, batchSize: number) {
    this.#items = items;
    this.#partition = partition;
    this.#read = read;
    this.#batchSize = batchSize;
  }

  next(limit = Infinity): T[] | null {
    if (this.#read >= this.#items.length) return null;
    const batch = this.#items.slice(this.#read, this.#read + Math.min(limit, this.#batchSize));
    this.#read += batch.length;
    return batch;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  positions(): Positions {
    return new Map([[this.#partition, this.#read]]);
  }

  progress(): { done: number; total: number; unit: "items" } {
    return { done: this.#read, total: this.#items.length, unit: "items" };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
