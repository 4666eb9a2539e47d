import type { MergeNode, StepNode } from "../graph/nodes.ts";
import { nameOf, type StepOptions } from "./user_function.ts";

/** Several streams as one. Each stream's items keep their order; between streams there is none. */
export function mergeNode(
  upstreams: readonly StepNode[],
  options: StepOptions = {},
): MergeNode {
  return { kind: "merge", name: nameOf("merge", options), upstreams };
}

/** The streams of a join as one. */
export function sidesNode(upstreams: readonly StepNode[], stepId: string): MergeNode {
  const name = { hint: `${stepId}-sides`, numbered: false };
  return { kind: "merge", name, upstreams, part: "side" };
}
