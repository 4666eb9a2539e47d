import type { StepId } from "../core/ids.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { StateKind, StepNode } from "../graph/nodes.ts";
import type { FlowSteps } from "./step_changes.ts";

/** The steps of a flow that may have something stored. */
export function storedStepsOf({ nodes, ids }: FlowGraph): FlowSteps {
  const of = (kind: StepNode["kind"]) =>
    nodes.filter((node) => node.kind === kind).map((node) => ids.get(node)!);
  const kinds: Record<StepId, StateKind> = Object.create(null);
  for (const node of nodes) {
    if (node.kind !== "stateful" || node.stateKind === undefined) continue;
    kinds[ids.get(node)!] = node.stateKind;
  }
  return {
    keyed: of("stateful"),
    kinds: { ...kinds },
    inputs: of("input"),
    outputs: of("capture"),
  };
}
