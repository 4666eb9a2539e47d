import type { BuildLogic } from "../graph/contracts.ts";
import type { StatefulNode, StepNode } from "../graph/nodes.ts";
import { requireFunction } from "./user_function.ts";

/** State for each key, built by `build`: the one primitive that all stateful steps share. */
export function statefulNode<V, W, S>(
  upstream: StepNode,
  stepId: string,
  build: BuildLogic<V, W, S>,
  single = false,
): StatefulNode {
  requireFunction(`stateful step "${stepId}"`, build);
  // Nodes hold logic of all types side by side; the builder's signature has checked this one.
  const anyBuild = build as unknown as StatefulNode["build"];
  return {
    kind: "stateful",
    name: { given: stepId },
    upstreams: [upstream],
    build: anyBuild,
    single,
  };
}
