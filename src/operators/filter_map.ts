import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Sends on `f(item)`, unless it is `null` or `undefined`. */
export function filterMapNode(
  upstream: StepNode,
  f: (item: never) => unknown,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("filterMap", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: filterMap, fn: f };
}

const filterMap: ChainOp = {
  name: "filterMap",
  changesCount: true,
  expands: false,
  keepsKey: false,
  source: ({ item, fn, result, refusePromise, next }) => `
    const ${result} = ${fn}(${item});
    if (${result} !== null && ${result} !== undefined) {
      ${refusePromise(result, "filterMap")}
      ${next(result)}
    }`,
};
