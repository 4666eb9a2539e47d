import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Turns each item into `[f(item), item]`; the key must be a string. */
export function keyOnNode(
  upstream: StepNode,
  f: (item: never) => string,
  options: StepOptions = {},
): ChainNode {
  return {
    kind: "chain",
    name: nameAfter("keyOn", f, options),
    upstreams: [upstream],
    op: keyOn,
    fn: f,
  };
}

const keyOn: ChainOp = {
  name: "keyOn",
  changesCount: false,
  expands: false,
  keepsKey: false,
  source: ({ item, fn, result, output, checks, next }) => `
    const ${result} = ${fn}(${item});
    if (typeof ${result} !== "string") throw ${checks}.badKey("keyOn", ${result});
    const ${output} = [${result}, ${item}];
    ${next(output)}`,
};
