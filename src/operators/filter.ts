import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/**
 * Keeps the items for which `p(item)` is `true`. A result other than `true` or `false` is an error:
 * truthiness hides bugs.
 */
export function filterNode(
  upstream: StepNode,
  p: (item: never) => boolean,
  options: StepOptions = {},
): ChainNode {
  return {
    kind: "chain",
    name: nameAfter("filter", p, options),
    upstreams: [upstream],
    op: filter,
    fn: p,
  };
}

const filter: ChainOp = {
  name: "filter",
  changesCount: true,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, result, checks, next }) => `
    const ${result} = ${fn}(${item});
    if (${result} === true) { ${next(item)} }
    else if (${result} !== false) throw ${checks}.notBoolean("filter", ${result});`,
};
