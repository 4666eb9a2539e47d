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
  source: ({ item, fn, result, output, requireKeyed, refusePromise, next }) => `
    ${requireKeyed(item, "mapValue")}
    const ${result} = ${fn}(${item}[1]);
    ${refusePromise(result, "mapValue")}
    const ${output} = [${item}[0], ${result}];
    ${next(output)}`,
};
