import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Sends on each item of the iterable `f(item)`, in order. A string is an error: see the check. */
export function flatMapNode(
  upstream: StepNode,
  f: (item: never) => Iterable<unknown>,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("flatMap", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: flatMap, fn: f };
}

const flatMap: ChainOp = {
  name: "flatMap",
  changesCount: true,
  expands: true,
  keepsKey: false,
  source: ({ item, fn, result, output, enter, requireIterable, next }) => `
    const ${result} = ${fn}(${item});
    ${requireIterable(result, "flatMap")}
    for (const ${output} of ${result}) { ${next(output)} ${enter} }`,
};
