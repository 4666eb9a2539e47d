import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Calls `f(epoch, item)` with the epoch that the item belongs to, and sends the item on. */
export function inspectEpochNode(
  upstream: StepNode,
  f: (epoch: number, item: never) => unknown,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("inspectEpoch", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: inspectEpoch, fn: f };
}

const inspectEpoch: ChainOp = {
  name: "inspectEpoch",
  changesCount: false,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, result, epoch, refusePromise, next }) => `
    const ${result} = ${fn}(${epoch}, ${item});
    ${refusePromise(result, "inspectEpoch")}
    ${next(item)}`,
};
