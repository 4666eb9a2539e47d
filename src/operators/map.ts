import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Sends on `f(item)` for each item. `null` and `undefined` are items like any other. */
export function mapNode(
  upstream: StepNode,
  f: (item: never) => unknown,
  options: StepOptions = {},
): ChainNode {
  return {
    kind: "chain",
    name: nameAfter("map", f, options),
    upstreams: [upstream],
    op: map,
    fn: f,
  };
}

const map: ChainOp = {
  name: "map",
  changesCount: false,
  expands: false,
  keepsKey: false,
  source: ({ item, fn, result, refusePromise, next }) => `
    const ${result} = ${fn}(${item});
    ${refusePromise(result, "map")}
    ${next(result)}`,
};
