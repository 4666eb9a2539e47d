import type { MergeNode, StepNode } from "../graph/nodes.ts";
import { nameOf, type StepOptions } from "./user_function.ts";

/**
 * Merges several streams into one. Each stream's items keep their order; the streams have no common
 * order.
 */
export function mergeNode(
  upstreams: readonly StepNode[],
  options: StepOptions = {},
): MergeNode {
  return { kind: "merge", name: nameOf("merge", options), upstreams };
}

/** Merges the streams of a join. */
export function sidesNode(upstreams: readonly StepNode[], stepId: string): MergeNode {
  const name = { hint: `${stepId}-sides`, numbered: false };
  return { kind: "merge", name, upstreams, part: "side" };
}
