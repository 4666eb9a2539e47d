import type { OutputConfig, OutputWriter } from "../../graph/contracts.ts";

/**
 * Adds items to an array, for tests with `run`, which shares memory with the flow.
 *
 * @typeParam T The items.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
 *
 * const out: string[] = [];
 * await run(
 *   new Dataflow("shout")
 *     .input("in", new TestingInputConfig(["a", "b"]))
 *     .map((letter) => letter.toUpperCase())
 *     .capture(new TestingOutputConfig(out)),
 * );
 * assertEquals(out, ["A", "B"]);
 * ```
 */
export class TestingOutputConfig<in T> implements OutputConfig<T> {
  readonly #add: (items: readonly T[]) => void;

  /** Creates the config. Items are added to the end of `array`. */
  constructor(array: T[]) {
    if (!Array.isArray(array)) {
      throw new TypeError(
        `TestingOutputConfig needs an array; got ${Deno.inspect(array, { depth: 0 })}`,
      );
    }
    this.#add = (items) => {
      for (const item of items) array.push(item);
    };
  }

  /** For the engine: starts writing. */
  open(): Promise<OutputWriter<T>> {
    return Promise.resolve({
      write: (batch: readonly T[]) => this.#add(batch),
      prepare: () => Promise.resolve(new Map()),
      close: () => Promise.resolve(),
    });
  }
}
