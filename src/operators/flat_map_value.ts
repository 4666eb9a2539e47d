import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/**
 * Turns `[key, value]` into one `[key, each]` for each item of the iterable `f(value)`, in order.
 */
export function flatMapValueNode(
  upstream: StepNode,
  f: (value: never) => Iterable<unknown>,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("flatMapValue", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: flatMapValue, fn: f };
}

const flatMapValue: ChainOp = {
  name: "flatMapValue",
  changesCount: true,
  expands: true,
  keepsKey: true,
  source: ({ item, fn, result, output, enter, requireKeyed, requireIterable, next }) => `
    ${requireKeyed(item, "flatMapValue")}
    const ${result} = ${fn}(${item}[1]);
    ${requireIterable(result, "flatMapValue")}
    for (const ${result}_value of ${result}) {
      const ${output} = [${item}[0], ${result}_value];
      ${next(output)}
      ${enter}
    }`,
};
