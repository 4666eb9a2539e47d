/**
 * The traces that items are part of.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";
import type { AsyncNode } from "../graph/nodes.ts";

/** Knows the traces of items on a worker. */
export interface Traces {
  /** Calls a function in the trace of an item, if that has one. */
  within<R>(item: unknown, call: () => R): R;
  /** Items have been read. */
  read(epoch: Epoch, items: readonly unknown[]): void;
  /** Returns some traces of items that were read up to the end of an epoch, and forgets them. */
  take(epoch: Epoch): readonly string[];
}

/** Returns a `mapAsync` that calls its function in the trace of the item. */
export function traced(node: AsyncNode, traces: Traces | null): AsyncNode {
  if (traces === null) return node;
  const { fn } = node;
  return {
    ...node,
    fn: (item, signal) => traces.within(item, () => fn(item, signal)),
  };
}
