import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** Turns `[key, value]` into `[key, f(value)]`. */
export function mapValueNode(
  upstream: StepNode,
  f: (value: never) => unknown,
  options: StepOptions = {},
): ChainNode {
  const name = nameAfter("mapValue", f, options);
  return { kind: "chain", name, upstreams: [upstream], op: mapValue, fn: f };
}

const mapValue: ChainOp = {
  name: "mapValue",
  changesCount: false,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, result, output, checks, next }) => `
    if (!Array.isArray(${item}) || ${item}.length !== 2 || typeof ${item}[0] !== "string")
      throw ${checks}.notKeyed("mapValue", ${item});
    const ${result} = ${fn}(${item}[1]);
    if (typeof ${result} === "object" && ${result} !== null &&
        typeof ${result}.then === "function") throw ${checks}.gavePromise("mapValue");
    const ${output} = [${item}[0], ${result}];
    ${next(output)}`,
};
