import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";

/**
 * Turns `[key, value]` into `[key, [side, value]]`, so that the streams of a join can travel as
 * one.
 */
export function joinSideNode(upstream: StepNode, stepId: string, side: number): ChainNode {
  const name = { hint: `${stepId}-side-${side + 1}`, numbered: false };
  const fn = (value: never): [number, unknown] => [side, value];
  return { kind: "chain", name, upstreams: [upstream], op: joinSide, fn, part: "side" };
}

const joinSide: ChainOp = {
  name: "join",
  changesCount: false,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, output, requireKeyed, next }) => `
    ${requireKeyed(item, "join")}
    const ${output} = [${item}[0], ${fn}(${item}[1])];
    ${next(output)}`,
};
