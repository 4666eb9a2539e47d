import type { MergeNode, StepNode } from "../graph/nodes.ts";

/** Several streams as one. Each stream's items keep their order; between streams there is none. */
export function mergeNode(upstreams: readonly StepNode[]): MergeNode {
  return { kind: "merge", name: { hint: "merge", numbered: true }, upstreams };
}
