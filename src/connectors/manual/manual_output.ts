import { ItemError } from "../../core/errors.ts";
import type { Epoch } from "../../core/ids.ts";
import { preview } from "../../core/preview.ts";
import { isPromiseLike } from "../../core/promises.ts";
import type { OutputConfig, OutputWriter, Place, Positions } from "../../graph/contracts.ts";

/** Handles an item. A promise is awaited before the next call. */
export type ItemHandler<T> = (item: T) => void | PromiseLike<void>;

/** Handles an item and its epoch. A promise is awaited before the next call. */
export type EpochItemHandler<T> = (epoch: Epoch, item: T) => void | PromiseLike<void>;

/**
 * Passes items to your own function.
 *
 * @typeParam T The items.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, ManualOutputConfig, run, TestingInputConfig } from "@millrace/millrace";
 *
 * let sum = 0;
 * const output = new ManualOutputConfig<number>((workerIndex, workerCount) => {
 *   return (item) => {
 *     sum += item;
 *   };
 * });
 * await run(new Dataflow("sum").input("in", new TestingInputConfig([1, 2, 3])).capture(output));
 * assertEquals(sum, 6);
 * ```
 */
export class ManualOutputConfig<in T> implements OutputConfig<T> {
  readonly #builder: (workerIndex: number, workerCount: number) => ItemHandler<T>;

  /**
   * Creates the config. Checks that `builder` is a function; does not call it.
   *
   * @param builder Called once on every worker. Returns the handler, which is called for each item,
   * one at a time. Workers call their handlers at the same time, so the system downstream must
   * allow that. If the handler throws or rejects, the run fails, and the handler gets no later
   * items.
   */
  constructor(builder: (workerIndex: number, workerCount: number) => ItemHandler<T>) {
    requireBuilder("ManualOutputConfig", builder);
    this.#builder = builder;
  }

  /** For the engine: calls the builder. */
  async open({ workerIndex, workerCount }: Place, _: Positions): Promise<OutputWriter<T>> {
    const handler = await this.#builder(workerIndex, workerCount);
    requireHandler("ManualOutputConfig", handler);
    return new HandlerWriter<T>((_epoch, item) => handler(item));
  }
}

/**
 * Like {@linkcode ManualOutputConfig}, with a handler that also gets the epoch of each item.
 *
 * @typeParam T The items.
 *
 * @example Rows that a restart can delete by their epoch
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, ManualEpochOutputConfig, run, TestingInputConfig } from "@millrace/millrace";
 *
 * const rows: [epoch: number, name: string][] = [];
 * const flow = new Dataflow("rows")
 *   .input("names", new TestingInputConfig(["ada", "bob"]))
 *   .capture(new ManualEpochOutputConfig(() => (epoch, name) => void rows.push([epoch, name])));
 * await run(flow);
 * assertEquals(rows.map(([, name]) => name), ["ada", "bob"]);
 * ```
 */
export class ManualEpochOutputConfig<in T> implements OutputConfig<T> {
  readonly #builder: (workerIndex: number, workerCount: number) => EpochItemHandler<T>;

  /**
   * Creates the config. Checks that `builder` is a function; does not call it.
   *
   * @param builder Called once on every worker. Returns the handler, called as `(epoch, item)`.
   */
  constructor(builder: (workerIndex: number, workerCount: number) => EpochItemHandler<T>) {
    requireBuilder("ManualEpochOutputConfig", builder);
    this.#builder = builder;
  }

  /** For the engine: calls the builder. */
  async open({ workerIndex, workerCount }: Place, _: Positions): Promise<OutputWriter<T>> {
    const handler = await this.#builder(workerIndex, workerCount);
    requireHandler("ManualEpochOutputConfig", handler);
    return new HandlerWriter<T>(handler);
  }
}

function requireBuilder(config: string, builder: unknown): void {
  if (typeof builder !== "function") {
    throw new TypeError(
      `${config} needs a builder function; got ${Deno.inspect(builder, { depth: 0 })}`,
    );
  }
}

function requireHandler(config: string, handler: unknown): void {
  if (typeof handler !== "function") {
    throw new TypeError(
      `the builder of ${config} must return the function that accepts the items; ` +
        `got ${preview(handler)}`,
    );
  }
}

/** Passes items to the handler one by one, and awaits only if the handler returns a promise. */
class HandlerWriter<T> implements OutputWriter<T> {
  readonly #handler: EpochItemHandler<T>;
  #closed = false;

  constructor(handler: EpochItemHandler<T>) {
    this.#handler = handler;
  }

  write(batch: readonly T[], epoch: Epoch): void | Promise<void> {
    const handler = this.#handler;
    let i = 0;
    try {
      for (; i < batch.length; i++) {
        const pending = handler(epoch, batch[i]);
        if (isPromiseLike(pending)) return this.#rest(batch, i, epoch, pending);
      }
    } catch (cause) {
      throw new ItemError(batch[i], { cause });
    }
  }

  /** Writes the rest of a batch, from an item whose promise is pending. */
  async #rest(
    batch: readonly T[],
    from: number,
    epoch: Epoch,
    pending: PromiseLike<void>,
  ): Promise<void> {
    let i = from;
    try {
      await pending;
      // A writer that takes too long is closed in the middle of a batch.
      for (i++; i < batch.length && !this.#closed; i++) {
        const next = this.#handler(epoch, batch[i]);
        if (isPromiseLike(next)) await next;
      }
    } catch (cause) {
      throw new ItemError(batch[i], { cause });
    }
  }

  prepare(): Promise<Positions> {
    return Promise.resolve(new Map());
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}
