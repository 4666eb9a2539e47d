import type { MergeNode, StepName, StepNode } from "../graph/nodes.ts";

/** Several streams as one. Each stream's items keep their order; between streams there is none. */
export function mergeNode(
  upstreams: readonly StepNode[],
  name: StepName = { hint: "merge", numbered: true },
): MergeNode {
  return { kind: "merge", name, upstreams };
}

/** The streams of a join as one. */
export function sidesNode(upstreams: readonly StepNode[], stepId: string): MergeNode {
  const name = { hint: `${stepId}-sides`, numbered: false };
  return { kind: "merge", name, upstreams, part: "side" };
}
