import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Calls `f(item)` and sends the item on as it was. */
export function inspectNode(
  upstream: StepNode,
  f: (item: never) => unknown,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("inspect", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: inspect, fn: f };
}

const inspect: ChainOp = {
  name: "inspect",
  changesCount: false,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, result, refusePromise, next }) => `
    const ${result} = ${fn}(${item});
    ${refusePromise(result, "inspect")}
    ${next(item)}`,
};
