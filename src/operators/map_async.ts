import { preview } from "../core/preview.ts";
import type { AsyncNode, StepNode } from "../graph/nodes.ts";
import { nameAfterAny, type StepOptions } from "./user_function.ts";

/** Options of `mapAsync`. */
export interface MapAsyncOptions extends StepOptions {
  /**
   * How many promises may be pending at once on each worker: a positive integer.
   *
   * @default {16}
   */
  readonly concurrency?: number;
  /**
   * Whether results leave in the order of their items. With `false` each leaves when it is ready,
   * so one slow item does not hold up the others.
   *
   * @default {true}
   */
  readonly ordered?: boolean;
}

/** Awaits `f(item, signal)` for each item. */
export function mapAsyncNode(
  upstream: StepNode,
  f: (item: never, signal: AbortSignal) => PromiseLike<unknown>,
  options: MapAsyncOptions,
): AsyncNode {
  const name = nameAfterAny("mapAsync", f, options, ["id", "concurrency", "ordered"]);
  const { concurrency = 16, ordered = true } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(
      `mapAsync's concurrency must be a positive integer; got ${preview(concurrency)}`,
    );
  }
  if (typeof ordered !== "boolean") {
    throw new TypeError(`mapAsync's ordered must be true or false; got ${preview(ordered)}`);
  }
  return { kind: "async", name, upstreams: [upstream], fn: f, concurrency, ordered };
}
